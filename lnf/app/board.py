"""A workflow while it runs, as one table: what each run is doing, how long it will take, and what failed.

Snakemake's events say which jobs were submitted and how they ended; a job's log says that it has begun, and a run's own
files how far it is.
"""

import errno
import json
import os
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lnf.app.steps import OF_RUNS, note_failure
from lnf.app.workflow import Workflow
from lnf.plan.jobs import SPEC, Job
from lnf.runs.progress import Progress, duration
from lnf.system.files import sentence

EVERY_S = 60.0
"""Between two lines where there is no terminal."""
FIRST_S = 15.0
"""Until the first of them."""
LOOK_S = 1.0
OTHER_LINES = 6
"""Of a terminal, besides the rows of runs."""

DONE, AT_WORK, WAITING, FAILED = "done", "at work", "waiting", "failed"
FRESH_S = 60.0
"""How old the progress of a job at work may be: a step of the largest models takes some seconds."""
LAST_BYTES = 4096
NO_ROOM = 2**20
"""Bytes of a disk that is full."""
OURS = "lnf: "
"""How a line begins that is meant for the user."""


@dataclass
class Watched:
    """A job of this workflow: whether it has begun, and how far it is."""

    job: Job
    log: Path
    state: str = WAITING
    before: tuple[int, int] | None = None
    progress: Progress | None = None
    began: float = 0.0
    seconds: float | None = None

    def look(self) -> None:
        """See whether a job that was submitted has begun, and what it says."""
        if self.state == WAITING and self.progress is not None and _stamp(self.log) != self.before:
            self.state, self.began = AT_WORK, time.monotonic()
        if self.state == AT_WORK and self.progress is not None:
            self.progress.poll()

    def submitted(self) -> None:
        """It was handed to a machine, and waits for its turn there."""
        self.state, self.before = WAITING, _stamp(self.log)
        self.progress = Progress(self.job.folder)

    def succeeded(self) -> None:
        """It has made its files."""
        self.state, self.seconds = DONE, time.monotonic() - self.began if self.began else None

    def failed(self, message: str | None) -> list[str]:
        """It has not: what it said, and where its log is. What is left of a run says so too."""
        self.look()
        said = _no_room(self.job.folder) or (_last_line(self.log) if self.state == AT_WORK else "")
        own = said.startswith(OURS)
        why = "" if own else ": " + "; ".join(filter(None, [(message or "").strip().partition("\n")[0], said]))
        self.state = FAILED
        if self.job.stage.name in OF_RUNS:
            note_failure(self.job.folder, "Failed", said.removeprefix(OURS) if own else why.removeprefix(": "))
        where = f"{OURS}{_named(self.job)} failed{why}; the rest goes on; its log is {self.log}"
        return [said, where] if own else [where]


@dataclass
class Observed(Watched):
    """A job of a workflow that another process runs: its files say how far it is."""

    def look(self) -> None:
        """See what its files say."""
        state = self.job.folder / "state"
        written = _stamp(state / "progress.json")
        if self.job.done:
            self.state = DONE
        elif written is not None and time.time() - written[1] / 1e9 < FRESH_S:
            if self.state != AT_WORK:
                self.state, self.progress = AT_WORK, Progress(self.job.folder, fresh=True)
                started = _stamp(self.job.folder / SPEC) or written
                self.began = time.monotonic() - (time.time() - started[1] / 1e9)
            super().look()
        else:
            self.state, self.progress = FAILED if (state / "error.json").exists() else WAITING, None


@dataclass
class Row:
    """A run: its training and its evaluation."""

    name: str
    steps: list[Watched] = field(default_factory=list)
    trained: float | None = None

    @property
    def step(self) -> Watched:
        """The step that the run is at: the one that failed, the first that is not done, or the last."""
        failed = (step for step in self.steps if step.state == FAILED)
        ahead = (step for step in self.steps if step.state != DONE)
        return next(failed, next(ahead, self.steps[-1]))

    @property
    def state(self) -> str:
        """Of the step that it is at."""
        return self.step.state

    @property
    def group(self) -> tuple[str, ...]:
        """What runs have in common that take about as long: corpus and prior."""
        return tuple(self.name.split("/")[:2])

    @property
    def seconds(self) -> float | None:
        """How long all of it takes, as far as that is known."""
        training = self.steps[0]
        if training.state == DONE:
            self.trained = self.trained or _trained_in(training.job.folder)
            return None if self.trained is None else self.trained + (self.steps[-1].seconds or 0.0)
        if training.progress is None or training.progress.seconds_left is None:
            return None
        return time.monotonic() - training.began + training.progress.seconds_left


class Board:
    """The state of all jobs of a workflow."""

    def __init__(self, flow: Workflow, watch: type[Watched] = Watched) -> None:
        self.jobs = {log: watch(job, log) for job, log in ((job, flow.log_of(job)) for job in flow.jobs)}
        rows: dict[Path, Row] = {}
        for watched in self.jobs.values():
            watched.state = DONE if watched.job.done else WAITING
            names = watched.job.wildcards
            if watched.job.stage.name == "train":
                rows[watched.job.folder] = Row(f"{names['corpus']}/{names['prior']}/{names['seed']}", [watched])
            elif watched.job.stage.name == "evaluate":
                rows[watched.job.folder].steps.append(watched)
        self.rows = list(rows.values())

    def watched(self, logs: Sequence[str]) -> Watched | None:
        """The job with these logs, whichever rule does it; None if it is none of the plan."""
        return next((self.jobs[log] for log in map(Path, logs) if log in self.jobs), None)

    def look(self) -> None:
        """Look at the files of jobs that were submitted."""
        for watched in self.jobs.values():
            watched.look()

    def summary(self) -> str:
        """The workflow in a line: how many runs are done, what else is at work, and how long it will take."""
        states = [row.state for row in self.rows]
        counts = ", ".join(f"{states.count(state)} {state}" for state in (AT_WORK, WAITING, FAILED) if state in states)
        left = self.seconds_left()
        parts = [f"{states.count(DONE)} of {len(states)} runs done{f' ({counts})' if counts else ''}"]
        parts += [f"also {', '.join(others)}"] if (others := self._others()) else []
        parts += [f"about {duration(left)} left for runs"] if left else []
        return "; ".join(parts)

    def at_work(self) -> list[str]:
        """What each run at work says."""
        return [f"{row.name} {_says(row)}" for row in self.rows if row.state == AT_WORK]

    def seconds_left(self) -> float | None:
        """Until the last run is evaluated, if all goes on as it does; None while that is not known.

        A run that waits is thought to take as long as others of its corpus and prior, or else as others at all.
        """
        known: dict[tuple[str, ...], list[float]] = {}
        for row in self.rows:
            if (total := row.seconds) is not None:
                for key in (row.group, row.group[:1], ()):
                    known.setdefault(key, []).append(total)
        if not known:
            return None
        typical = {key: sum(found) / len(found) for key, found in known.items()}
        lasts = [self._left(row, typical) for row in self.rows]
        at_once = max(1, sum(row.state == AT_WORK for row in self.rows))
        return max(sum(lasts) / at_once, *lasts)

    def table(self, height: int) -> Table:
        """The runs that are not done, and as many others as `height` lines hold."""
        table = Table.grid(padding=(0, 2))
        order = {FAILED: 0, AT_WORK: 1, WAITING: 2, DONE: 3}
        chosen = sorted(range(len(self.rows)), key=lambda index: order[self.rows[index].state])[: max(1, height)]
        styles = {FAILED: "red", AT_WORK: "cyan", WAITING: "dim", DONE: "green"}
        for index in sorted(chosen):
            row = self.rows[index]
            table.add_row(Text(row.name), Text(row.state, style=styles[row.state]), Text(_says(row)))
        return table

    def _left(self, row: Row, typical: dict[tuple[str, ...], float]) -> float:
        if row.state in (DONE, FAILED):
            return 0.0
        progress = row.step.progress
        if row.state == AT_WORK and progress is not None and progress.seconds_left is not None:
            return progress.seconds_left
        whole = next(typical[key] for key in (row.group, row.group[:1], ()) if key in typical)
        return max(0.0, whole - (row.trained or 0.0))

    def _others(self) -> list[str]:
        """The jobs at work that are no run's."""
        return [
            _named(watched.job)
            for watched in self.jobs.values()
            if watched.state == AT_WORK and watched.job.stage.name not in OF_RUNS
        ]


def _named(job: Job) -> str:
    """A job as people name it: its stage, and its corpus, prior and seed as far as it has them."""
    names = [job.wildcards[name] for name in ("corpus", "prior", "seed") if name in job.wildcards]
    return f"{job.stage.name} {'/'.join(names)}".strip()


def _says(row: Row) -> str:
    progress = row.step.progress
    if row.state != AT_WORK or progress is None:
        return ""
    left = "" if progress.seconds_left is None else f", {duration(progress.seconds_left)} left"
    return f"{progress.message or row.step.job.stage.name}{left}"


def _trained_in(folder: Path) -> float | None:
    """The seconds that a training took, as its run.json says."""
    try:
        return float(json.loads((folder / "run.json").read_text(encoding="utf-8"))["wall_seconds"])
    except (OSError, ValueError, KeyError):  # the command that needs it reports what is wrong
        return None


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - LAST_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _no_room(folder: Path) -> str:
    """What the machine says on a disk that is full, where a job cannot even write to its log."""
    if not folder.exists() or shutil.disk_usage(folder).free > NO_ROOM:
        return ""
    return f"{OURS}{sentence(OSError(errno.ENOSPC, '', str(folder)))}"


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


class Display:
    """Shows a board: a table in a terminal, and a line a minute elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._ended = threading.Event()
        self._board: Board | None = None
        self._live: Live | None = None
        self._thread = threading.Thread(target=self._follow, name="board", daemon=True)

    def show(self, board: Board) -> None:
        """Begin to show."""
        self._board = board
        if self._console.is_terminal:
            self._live = Live(self._drawn(), console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._thread.start()

    def say(self, line: str) -> None:
        """Print a line, above the table if there is one."""
        self._console.print(Text(line), soft_wrap=True)

    def close(self) -> None:
        """Leave what was said, and no table."""
        self._ended.set()
        if self._board is not None:
            self._thread.join()
        if self._live is not None:
            self._live.stop()

    def _follow(self) -> None:
        assert self._board is not None
        printed_at = time.monotonic() - EVERY_S + FIRST_S
        while not self._ended.wait(LOOK_S):
            self._board.look()
            if self._live is not None:
                self._live.update(self._drawn(), refresh=True)
            elif time.monotonic() - printed_at >= EVERY_S:
                printed_at = time.monotonic()
                self.say(f"lnf: {'; '.join([self._board.summary(), *self._board.at_work()])}")

    def _drawn(self) -> RenderableType:
        assert self._board is not None
        table = self._board.table(self._console.height - OTHER_LINES)
        table.add_row()
        grid = Table.grid()
        grid.add_row(table)
        grid.add_row(Text(self._board.summary()))
        return grid
