"""Progress of one run, for its users: what RUN/state/progress.json says, and how long the rest will take."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EVERY_S = 10.0
TICK_S = 0.5


class Progress:
    """The last progress that a run reported.

    Attributes:
        message: in words; None before its first report.
        seconds_left: None while that is not known. The rest is thought to go on as between the first report and the
            latest. What came before the first, imports and compilation, does not count.
    """

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / "state" / "progress.json"
        self._seen = self._text()
        self._first: tuple[float, float] | None = None
        self._fraction = 0.0
        self.message: str | None = None
        self.seconds_left: float | None = None

    def poll(self) -> bool:
        """Look at the file once; whether it says something else than before."""
        text = self._text()
        if text is None or text == self._seen:
            return False
        self._seen = text
        try:
            said = json.loads(text)
        except ValueError:  # a loss of power left it empty; the run is about to write the next
            return False
        self.message = said["message"]
        self._estimate(said.get("fraction"))
        return True

    def _estimate(self, fraction: float | None) -> None:
        now = time.monotonic()
        if fraction is None or self._first is None or fraction < self._fraction:  # another step
            self._first = None if fraction is None else (now, fraction)
            self.seconds_left = None
        elif fraction > self._first[1]:
            since, done = now - self._first[0], fraction - self._first[1]
            self.seconds_left = since * (1 - fraction) / done
        self._fraction = fraction or 0.0

    def _text(self) -> str | None:
        try:
            return self._path.read_text(encoding="utf-8")
        except OSError:
            return None


@contextmanager
def shown(run_dir: Path, label: str) -> Iterator[None]:
    """Print the progress that this process itself reports in RUN_DIR, from a thread: a line every ten seconds."""
    progress, ended = Progress(run_dir), threading.Event()

    def follow() -> None:
        printed_at = -EVERY_S
        while not ended.wait(TICK_S):
            if progress.poll() and time.monotonic() - printed_at >= EVERY_S:
                printed_at = time.monotonic()
                left = "" if progress.seconds_left is None else f" left {duration(progress.seconds_left)}"
                print(f"{label} {progress.message}{left}", flush=True)

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
