"""Progress of one run, for its users: what RUN/state/progress.json says, and how long the rest will take."""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lnf.system.files import write_json

_asked: set[Path] = set()

WRITE_S = 1.0
EVERY_S = 10.0
TICK_S = 0.5


class ProgressFile:
    """RUN/state/progress.json, written by the process that does the work."""

    def __init__(self, run_dir: Path) -> None:
        self.folder = run_dir / "state"
        self._began, self._written = time.monotonic(), 0.0

    def write(
        self, message: str, fraction: float | None, seconds: float | None = None, at_once: bool = False, **more: Any
    ) -> None:
        """Write it, at most once a second unless `at_once`.

        `fraction` of the work took `seconds`, or all the time since this object was made, and the rest is thought to
        take as long; None: nobody knows how much is done. `more` goes into the file.
        """
        now = time.monotonic()
        if not at_once and now - self._written < WRITE_S:
            return
        self._written = now
        values = {"message": message, **more}
        if fraction:
            used = now - self._began if seconds is None else seconds
            values |= {"fraction": fraction, "seconds_left": used * (1 - fraction) / fraction}
        write_json(self.folder / "progress.json", values, durable=False)

    def remove(self) -> None:
        """Remove the folder, with all that is in it: the work is done."""
        doomed = self.folder.with_name(f".state.{os.getpid()}")
        self.folder.rename(doomed)
        shutil.rmtree(doomed)


class Progress:
    """The last progress that a run reported, from now on or, `fresh`, what the file says already too.

    Attributes:
        message: in words; None before its first report.
        seconds_left: None while that is not known. The rest is thought to go on as between the first report and the
            latest. What came before the first, imports and compilation, does not count.
    """

    def __init__(self, run_dir: Path, fresh: bool = False) -> None:
        self._path = run_dir / "state" / "progress.json"
        self._seen = None if fresh else self._text()
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
    """Print the progress that this process itself reports in RUN_DIR, from a thread: a line every ten seconds, the last
    that is reported too.
    """
    progress, ended = Progress(run_dir), threading.Event()

    def follow() -> None:
        printed_at, news = -EVERY_S, False
        while not ended.wait(TICK_S):
            news = progress.poll() or news
            if news and time.monotonic() - printed_at >= EVERY_S:
                printed_at, news = time.monotonic(), False
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


def ask_to_stop(run_dir: Path) -> None:
    """Have whatever trains this run in this process stop. A signal's handler may call it."""
    _asked.add(run_dir)


def asked_to_stop(run_dir: Path) -> bool:
    """Whether someone asked."""
    return run_dir in _asked


def take_back(run_dir: Path) -> None:
    """Let the run go on, when it is started again."""
    _asked.discard(run_dir)
