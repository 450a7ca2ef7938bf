"""The driver as the executor sees it: a child process that is given jobs, and reports how they end.

It is a process of its own so that nothing that happens to Ray ends Snakemake: when it dies, another is started, and the
jobs that have not ended are submitted again.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from snakemake_executor_plugin_ray.local_ray import sweep

STARTS = 4
"""Drivers in one workflow, the first one and those that take the place of a lost one."""
MARGIN_S = 15.0
"""Beyond the grace period, for Ray to end."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended: whether its command did what it should, and otherwise why not, in a line."""

    ok: bool
    reason: str = ""


class DriverProcess:
    """A driver and its successors.

    Arguments:
        settings: what `driver.main` is given.
        log: file for what Ray and the driver print.
        changed: called, in another thread, when a job ended.
        say: prints a line for the user.
    """

    def __init__(
        self, settings: Mapping[str, Any], log: Path, changed: Callable[[], None], say: Callable[[str], None]
    ) -> None:
        self._settings, self._log, self._changed, self._say = settings, log, changed, say
        self._lock = threading.RLock()
        self._jobs: dict[str, Mapping[str, Any]] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._closing, self._starts = False, 0
        self._fault = ""
        self._process = self._start()

    def submit(self, job: Mapping[str, Any]) -> None:
        """Have a job run."""
        with self._lock:
            self._jobs[job["job"]] = job
            self._send({"do": "submit", **job})

    def outcome(self, job: str) -> Outcome | None:
        """How a job ended, which is said once; None while it has not."""
        with self._lock:
            return self._outcomes.pop(job, None)

    def cancel(self, grace_seconds: float) -> None:
        """Have all jobs stop, and wait until they have."""
        with self._lock:
            self._closing = True
            self._send({"do": "cancel"})
        end = time.monotonic() + grace_seconds + MARGIN_S
        while self._unfinished() and self._process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        self.close()

    def close(self) -> None:
        """End the driver."""
        with self._lock:
            self._closing = True
            process = self._process
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(MARGIN_S)
        except subprocess.TimeoutExpired:
            _kill(process)

    def _unfinished(self) -> list[str]:
        with self._lock:
            return list(self._jobs)

    def _start(self) -> "subprocess.Popen[str]":
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._starts += 1
        sweep()
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "snakemake_executor_plugin_ray.driver"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, encoding="utf-8", errors="replace",
                start_new_session=True,  # what ends Snakemake's process group must not end Ray under its jobs
            )  # fmt: skip
        self._process = process
        self._send(dict(self._settings))
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        return process

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it died, which `_listen` sees
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in _lines(process.stdout):
            with contextlib.suppress(ValueError):
                self._hear(json.loads(line))
        process.wait()
        with self._lock:
            if not self._closing:
                self._replace(process)
        self._changed()

    def _hear(self, event: Mapping[str, Any]) -> None:
        with self._lock:
            if event["event"] == "ended":
                if self._jobs.pop(event["job"], None) is not None:
                    self._outcomes[event["job"]] = Outcome(event["ok"], event["reason"])
                    self._starts = 1 if event["ok"] else self._starts  # Ray works: what was lost before is forgotten
                self._changed()
            elif event["event"] == "fault":
                self._fault = event["message"]
                self._starts = STARTS if event["final"] else self._starts
            else:
                self._say(event["message"])

    def _replace(self, process: "subprocess.Popen[str]") -> None:
        """Start another driver in the place of one that died, or give all its jobs up."""
        _kill(process)
        fault = self._fault or f"the Ray driver ended with status {process.returncode}; see {self._log}"
        self._fault = ""
        if self._starts >= STARTS:
            self._outcomes |= {job: Outcome(False, fault) for job in self._jobs}
            self._jobs.clear()
            self._starts = 0
        else:
            self._say(f"Ray was lost ({fault}); starting it again, and {len(self._jobs)} jobs with it")
        self._process = self._start()
        for job in self._jobs.values():
            self._send({"do": "submit", **job, "again": True})


def _lines(stream: IO[str]) -> Any:
    """The lines of a pipe whose other end may be killed in the middle of one."""
    with contextlib.suppress(OSError, ValueError):
        yield from stream


def _kill(process: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
