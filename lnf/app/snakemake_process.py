"""Snakemake as a child process: its command line, and one workflow from its start to its end.

It has a process group of its own, so that a signal reaches it, and its jobs, once and from here alone, whether Ctrl-C,
a scheduler or `docker stop` sent it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lnf.app import workflow_lock
from lnf.system.locks import Lock
from lnf.system.processes import process_identity
from lnf.system.signals import LIMIT_S, Asked, stopping

SHOW_CURSOR = "\x1b[?25h"


@dataclass(frozen=True)
class Ended:
    """How a workflow ended: its status (128 + n for signal n), and its identity."""

    status: int
    identity: str


def snakemake(configfiles: Sequence[Path], cores: str) -> list[str]:
    """The command line of the workflow."""
    overlays = ["--configfile", *map(str, configfiles)] if configfiles else []
    return [sys.executable, "-m", "snakemake", "--cores", cores, *overlays]


def attend(command: Sequence[str], lock: Lock) -> Ended:
    """Run Snakemake, which holds the lock of this folder too, and wait for it.

    Asked to stop, it and its jobs get SIGINT once, as by Ctrl-C, and killed after LIMIT_S; asked twice, at once.
    """
    process: subprocess.Popen[bytes] | None = None

    def ask() -> None:
        _say(f"lnf: stopping: each run leaves its state at its next step ({LIMIT_S:.0f} s at most); once more: at once")
        _signal(process, signal.SIGINT)
        timer = threading.Timer(LIMIT_S, _signal, (process, signal.SIGKILL))
        timer.daemon = True
        timer.start()

    with stopping(ask, lambda: _signal(process, signal.SIGKILL)) as asked:
        variables, descriptors = workflow_lock.handed(lock)
        process = subprocess.Popen(
            command, env={**os.environ, **variables}, pass_fds=descriptors, process_group=0, preexec_fn=_listen
        )
        if asked:  # before there was a process to signal
            _signal(process, signal.SIGINT)
        try:
            identity = process_identity(process.pid)
            lock.hand_to(process.pid)
            return Ended(_status(process, asked), identity)
        finally:
            if process.poll() is None:  # nothing is left behind, whatever went wrong here
                _signal(process, signal.SIGKILL)
                process.wait()


def _listen() -> None:
    """A shell that starts us in the background has us ignore Ctrl-C; the child must not inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _status(process: "subprocess.Popen[bytes]", asked: Asked) -> int:
    status = process.wait()
    if sys.stderr.isatty():
        _say(SHOW_CURSOR, end="")  # a table that was killed has left it hidden
    if status != 0 and asked:
        return asked.status
    return 128 - status if status < 0 else status


def _signal(process: "subprocess.Popen[bytes] | None", number: int) -> None:
    """Send a signal to a process' group, if there is one."""
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def _say(line: str, end: str = "\n") -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone, which is why we are asked to stop
        print(line, end=end, file=sys.stderr, flush=True)
