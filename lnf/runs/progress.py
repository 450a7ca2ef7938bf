"""Progress lines of one run: at most one every ten seconds, from RUN/state/progress.json."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

EVERY_S = 10.0
TICK_S = 0.5


class Progress:
    """Prints `LABEL MESSAGE left TIME` and calls `on_epoch` when the file tells of another epoch."""

    def __init__(self, run_dir: Path, label: str, on_epoch: Callable[[], None] | None = None) -> None:
        self._path = run_dir / "state" / "progress.json"
        self._label = label
        self._on_epoch = on_epoch
        self._epoch: int | None = None
        self._printed_at = -EVERY_S
        self._seen = self._text()

    def poll(self) -> None:
        """Look at the file once."""
        text = self._text()
        if text is None or text == self._seen:
            return
        self._seen = text
        try:
            said = json.loads(text)
        except ValueError:  # a loss of power left it empty; the run is about to write the next
            return
        if time.monotonic() - self._printed_at >= EVERY_S:
            self._printed_at = time.monotonic()
            left = f" left {duration(said['seconds_left'])}" if "seconds_left" in said else ""
            print(f"{self._label} {said['message']}{left}", flush=True)
        if self._on_epoch and "epoch" in said and said["epoch"] != self._epoch:
            self._epoch = said["epoch"]
            self._on_epoch()

    def _text(self) -> str | None:
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None


@contextmanager
def shown(run_dir: Path, label: str) -> Iterator[None]:
    """Print the progress that this process itself tells of in RUN_DIR, from a thread."""
    progress, ended = Progress(run_dir, label), threading.Event()

    def follow() -> None:
        while not ended.wait(TICK_S):
            progress.poll()

    follower = threading.Thread(target=follow, name="progress", daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


def duration(seconds: float) -> str:
    """`40 s`, `14 min` or `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
