"""Show the runs of an lnf workflow as one table, from Snakemake's events: `snakemake --logger lnf`.

What else Snakemake says is in its own log, below .snakemake/log. It is printed too if no job was started, and of a dry
run.
"""

import logging
import sys
from collections.abc import Mapping
from logging import LogRecord
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

if TYPE_CHECKING:
    from lnf.app.board import Board, Display, Watched

CONSEQUENCES = ("RuleException", "WorkflowError", "KeyboardInterrupt")
"""Exceptions that Snakemake reports next to a job's own error, or because it was asked to stop."""
INTERRUPTED = "Terminating processes on user request"
"""How Snakemake begins to say that it was asked to stop, for which there is no event."""
TRACEBACK, REFUSED = "Traceback (most recent call last):", "Error: [Errno "
"""How a traceback begins, and what its last line holds if the operating system refused something."""
SNAKEMAKE = "snakemake"
"""The package whose messages can wait; those of plugins cannot."""


class LogHandler(LogHandlerBase):
    """Hands jobs on to a board, and prints what cannot wait."""

    writes_to_stream = True
    writes_to_file = False
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        """Begin without a table: a workflow may have nothing to do."""
        self._board: Board | None = None
        self._display: Display | None = None
        self._jobs: dict[int, Watched] = {}
        self._held: list[tuple[int, str]] = []
        self._explained = False

    @property
    def has_filter(self) -> bool:
        """Every event is heard, but of a dry run only what Snakemake's own filter leaves."""
        return not self.common_settings.dryrun

    def emit(self, record: LogRecord) -> None:
        """Hear an event. An error in here is no error of the workflow."""
        try:
            if self.common_settings.dryrun:
                _print(self.format(record), sys.stdout)
            else:
                self._hear(record, vars(record))
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Remove the table, and print what was held back if nothing else says what happened."""
        if self._display is not None:
            self._display.close()
        least = logging.INFO if self._board is None else logging.ERROR
        errors = any(level >= logging.ERROR for level, _ in self._held)
        for level, text in self._held if not self._explained else ():
            if level >= (logging.WARNING if errors else least):
                _print(text, sys.stderr)
        self._held.clear()
        super().close()

    def _hear(self, record: LogRecord, values: Mapping[str, Any]) -> None:
        event = values.get("event")
        if event == LogEvent.JOB_INFO:
            self._submitted(values)
        elif event == LogEvent.JOB_FINISHED:
            if (watched := self._jobs.get(values["job_id"])) is not None:
                watched.succeeded()
        elif event in (LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR):
            self._job_failed(record, values)
        elif event in (None, LogEvent.ERROR):
            self._message(record, values)

    def _submitted(self, values: Mapping[str, Any]) -> None:
        from lnf.app.board import Board, Display
        from lnf.app.workflow import PLAN, Workflow

        if self._board is None and PLAN.exists():
            self._board, self._display = Board(Workflow.of_job(Path.cwd())), Display()
            self._display.show(self._board)
        watched = self._board.watched(values["log"]) if self._board else None
        if watched is not None:
            watched.submitted()
            self._jobs[values["jobid"]] = watched

    def _job_failed(self, record: LogRecord, values: Mapping[str, Any]) -> None:
        watched = self._jobs.get(values.get("jobid", -1))
        self._explained = True
        for line in [self.format(record)] if watched is None else watched.failed(values.get("rule_msg")):
            self._say(line)

    def _message(self, record: LogRecord, values: Mapping[str, Any]) -> None:
        """A message that belongs to no job: said at once, or held back until it is known whether it matters."""
        text = _in_a_line(self.format(record))
        if not text.strip():
            return
        self._explained |= text.startswith(INTERRUPTED)
        of_snakemake = SNAKEMAKE in Path(record.pathname).parts
        own = values.get("exception") is not None and values["exception"] not in CONSEQUENCES
        if self._board is not None and (own or not of_snakemake):
            self._say(text)
        else:
            self._held.append((record.levelno, text))

    def _say(self, text: str) -> None:
        if self._display is not None:
            self._display.say(text)
        else:
            _print(text, sys.stderr)


def _in_a_line(text: str) -> str:
    """A message; of a traceback for what the machine refuses, a full disk for instance, its last line alone."""
    last = text.rstrip().rpartition("\n")[2]
    return f"lnf: snakemake: {last}" if text.startswith(TRACEBACK) and REFUSED in last else text


def _print(text: str, stream: TextIO) -> None:
    if text.strip():
        print(text, file=stream, flush=True)
