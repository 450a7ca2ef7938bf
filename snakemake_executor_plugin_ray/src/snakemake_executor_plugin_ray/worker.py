"""What a Ray task does: run the command of a job as a child process, and leave nothing of it behind.

Ray sends this module by value, so that a node needs the job's own Python and folder, and nothing of this plugin.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

TICK_S = 0.1
DEAD_S = 5.0
"""How long the dead may take to disappear: some containers have no process that takes their status."""
LAST_BYTES = 8192
SHUTTING_DOWN = "Shutting down, this might take some time."
"""What the Snakemake of a job says after an error; what comes then is the same for every error."""
STARTED = re.compile(r"Execute \d+ jobs\.\.\.")
"""What it says before the job prints anything."""
FAILED, COMMAND_FAILED = "RuleException:", "CalledProcessError"
"""How the Snakemake of a job begins to say what a rule raised: first its own words, then the exception's."""
RAYS_OWN = ("RAY_", "PYTHONBREAKPOINT")
"""Beginnings of the variables that Ray gives its workers and that are none of a job's business."""

LOOKED = "looked-"
"""How the name of a file begins that says of a node that its Python has been tried."""
HAS_SNAKEMAKE = "import importlib.util, sys; sys.exit(importlib.util.find_spec('snakemake') is None)"
PROOF = "proof"
"""A file whose text shows that a node sees the workflow's folder, and not another one at the same path."""

# The command waits for its guard. The guard waits for a word of the worker: its input ends when the worker does,
# whatever ended it. It is no child of the worker, for Ray kills the children of a worker that leaves, but not theirs.
COMMAND = 'read -r _ || exit 1; exec "$@" </dev/null'
GUARD = 'exec 3<&0; { read -r word <&3; [ "$word" = done ] || kill -KILL "-$1"; } 2>/dev/null &'


class Unusable(Exception):
    """This node cannot run a job of the workflow."""


class Failed(Exception):
    """A job's command ended with an error."""


def run(job: dict[str, Any], settings: dict[str, Any]) -> None:
    """Run a job's command, in a process group of its own, with its output in the job's log.

    Raises Unusable if the node lacks the workflow's folder or Python, and Failed if the command fails. When the task is
    cancelled, the group gets SIGINT, and SIGKILL after the grace period; when this worker dies, SIGKILL at once.
    """
    _look(settings)
    log, record = Path(job["log"]), Path(settings["records"], job["job"])
    log.parent.mkdir(parents=True, exist_ok=True)
    _end_what_is_left(record)
    with log.open("ab" if job.get("again") else "wb") as stream:
        start = stream.tell()
        process = subprocess.Popen(
            ["sh", "-c", COMMAND, "sh", "sh", "-c", job["command"]],
            cwd=settings["folder"], env=_environment(settings), stdin=subprocess.PIPE, stdout=stream, stderr=stream,
            start_new_session=True,
        )  # fmt: skip
    with _guarded(process):
        record.write_text(f"{socket.gethostname()} {process.pid}", encoding="utf-8")
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"\n")
            process.stdin.close()
        status = _wait(process, settings["grace_seconds"])
    record.unlink(missing_ok=True)
    if status != 0:
        how = f"exit status {status}" if status > 0 else f"killed by signal {-status}"
        raise Failed(": ".join([how, *(_why(log, start) if status > 0 else [])]))


def _look(settings: dict[str, Any]) -> None:
    """Raise Unusable if this node cannot run jobs."""
    host, proof = socket.gethostname(), Path(settings["records"], PROOF)
    if not Path(settings["folder"]).is_dir():
        raise Unusable(f"node {host} has no folder {settings['folder']}; share it at the same path")
    if not proof.is_file() or proof.read_text(encoding="utf-8") != settings["proof"]:
        raise Unusable(f"node {host} has another folder at {settings['folder']}; share the workflow's")
    if not os.access(settings["python"], os.X_OK):
        raise Unusable(f"node {host} has no Python at {settings['python']}; install it at the same path")
    looked = Path(settings["records"], f"{LOOKED}{host}")
    if not looked.exists():
        known = subprocess.run([settings["python"], "-c", HAS_SNAKEMAKE], env=_environment(settings), check=False)
        if known.returncode != 0:
            raise Unusable(f"node {host} has no Snakemake for {settings['python']}; install the same environment")
        looked.touch()


def _environment(settings: dict[str, Any]) -> dict[str, str]:
    """A job's environment: the node's or, of a Ray that was started for the workflow, Snakemake's; what the workflow
    passes on; and the devices that Ray assigned.
    """
    variables = {name: value for name, value in os.environ.items() if not name.startswith(RAYS_OWN)}
    given: dict[str, str] = settings["environment"]
    return variables | given


@contextlib.contextmanager
def _guarded(process: "subprocess.Popen[bytes]") -> Any:
    """Kill a process group when this worker ends, however it ends, and at the end of the block."""
    guard = subprocess.Popen(["sh", "-c", GUARD, "sh", str(process.pid)], stdin=subprocess.PIPE, start_new_session=True)
    guard.wait()
    try:
        yield
    finally:
        _signal(process.pid, signal.SIGKILL)
        process.wait()
        assert guard.stdin is not None
        with contextlib.suppress(BrokenPipeError), guard.stdin:
            guard.stdin.write(b"done\n")


def _wait(process: "subprocess.Popen[bytes]", grace_seconds: float) -> int:
    """The status of a process. Cancelled, it is asked to end and waited for."""
    try:
        while process.poll() is None:
            time.sleep(TICK_S)  # a cancellation arrives between two of Python's own instructions
    except KeyboardInterrupt:
        _signal(process.pid, signal.SIGINT)
        end = time.monotonic() + grace_seconds
        while process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(KeyboardInterrupt):
                time.sleep(TICK_S)
        raise
    return int(process.returncode)


def _end_what_is_left(record: Path) -> None:
    """Kill what an earlier attempt at a job left on this node: two must not write the same files."""
    if not record.is_file():
        return
    host, _, group = record.read_text(encoding="utf-8").partition(" ")
    end = time.monotonic() + DEAD_S
    if host == socket.gethostname() and group.isdecimal():
        while _signal(int(group), signal.SIGKILL) and time.monotonic() < end:
            time.sleep(TICK_S)


def _signal(group: int, number: int) -> bool:
    """Send a signal to a process group; whether there is one."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _why(log: Path, start: int) -> list[str]:
    """The last line that a job printed or, if its Snakemake had something to say, that; none if there is none."""
    with log.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(start, size - LAST_BYTES))
        lines = [line for line in stream.read().decode(errors="replace").splitlines() if line.strip()]
    if SHUTTING_DOWN in lines:
        lines = lines[: lines.index(SHUTTING_DOWN)]
    begun = [at for at, line in enumerate(lines) if STARTED.fullmatch(line)]
    lines = lines[begun[0] + 1 :] if begun else lines
    if FAILED in lines[:-1]:
        at = lines.index(FAILED)
        kind = lines[at + 1].partition(" ")[0]
        lines = lines[:at] if kind == COMMAND_FAILED else [f"{kind}: {lines[at + 2] if len(lines) > at + 2 else ''}"]
    return lines[-1:]
