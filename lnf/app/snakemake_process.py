"""Snakemake as a child process: its command line, what it would do, and one workflow from its start to its end.

It has a process group of its own, so that a signal reaches it, and its jobs, once and from here alone, whether Ctrl-C,
a scheduler or `docker stop` sent it.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lnf.app.alone import record
from lnf.app.snakemake_output import QUIET, retell
from lnf.system.processes import process_identity
from lnf.system.signals import LIMIT_S, Asked, stopping

LAST_WORDS_S = 2.0  # jobs hold Snakemake's stderr too, and may outlive it if it was killed


@dataclass(frozen=True)
class Ended:
    """How a workflow ended: its status (128 + n for signal n), its identity, how often it was asked to stop."""

    status: int
    identity: str
    asked: int


def snakemake(configfiles: Sequence[Path], cores: str) -> list[str]:
    """The command line of the workflow."""
    overlays = ["--configfile", *map(str, configfiles)] if configfiles else []
    return [sys.executable, "-m", "snakemake", "--cores", cores, *overlays]


def planned(command: Sequence[str]) -> tuple[int, int] | None:
    """How many runs a dry run would train and evaluate; None if nothing at all is to be done.

    Leaves the process, with Snakemake's words and status, if there is no plan.
    """
    dry = subprocess.run(
        [*command, "--dry-run"], encoding="utf-8", errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if dry.returncode != 0:
        _pass_on(retell(dry.stdout.splitlines(), lambda: False))
        sys.exit(dry.returncode)
    if "Nothing to be done" in dry.stdout:
        return None
    table = dry.stdout.partition("total ")[0]  # the table of jobs is printed twice
    counts = Counter[str]()
    for stage, count in re.findall(r"^(train|evaluate)\w*\s+(\d+)$", table, re.MULTILINE):
        counts[stage] += int(count)
    return counts["train"], counts["evaluate"]


def attend(command: Sequence[str]) -> Ended:
    """Run Snakemake and wait for it; what it says on stderr is retold.

    Asked to stop, it and its jobs are told once, as by Ctrl-C, and killed after LIMIT_S; asked twice, at once.
    """
    process: subprocess.Popen[str] | None = None

    def ask() -> None:
        _say(f"lnf: stopping: each run leaves its state at its next step ({LIMIT_S:.0f} s at most); once more: at once")
        _signal(process, signal.SIGINT)
        timer = threading.Timer(LIMIT_S, _signal, (process, signal.SIGKILL))
        timer.daemon = True
        timer.start()

    with stopping(ask, lambda: _signal(process, signal.SIGKILL)) as asked:
        process = subprocess.Popen(
            [*command, *QUIET], stderr=subprocess.PIPE, encoding="utf-8", errors="replace", process_group=0,
            preexec_fn=_listen,
        )  # fmt: skip
        if asked:  # before there was a process to be told
            _signal(process, signal.SIGINT)
        try:
            identity = process_identity(process.pid)
            record(identity, command)
            return Ended(_status(process, asked), identity, len(asked.numbers))
        finally:
            if process.poll() is None:  # nothing is left behind, whatever went wrong here
                _signal(process, signal.SIGKILL)
                process.wait()


def _listen() -> None:
    """A shell that starts us in the background has us ignore Ctrl-C; what is told by it must not inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _status(process: "subprocess.Popen[str]", asked: Asked) -> int:
    assert process.stderr is not None
    said = retell(process.stderr, lambda: bool(asked))
    teller = threading.Thread(target=_pass_on, args=(said,), daemon=True)
    teller.start()
    status = process.wait()
    teller.join(LAST_WORDS_S)
    if status != 0 and asked:
        return asked.status
    return 128 - status if status < 0 else status


def _signal(process: "subprocess.Popen[str] | None", number: int) -> None:
    """Send a signal to a process' group, if there is one."""
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone, which is why we are told to stop
        print(line, file=sys.stderr, flush=True)


def _pass_on(lines: Iterable[str]) -> None:
    for line in lines:
        _say(line)
