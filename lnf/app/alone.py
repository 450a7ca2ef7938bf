"""One workflow per folder: the living is respected, the dead one's lock removed.

Which process the last workflow was stands in `.lnf/workflow.json`, so that a lock left by a killed workflow can be told
from that of a living one.
"""

import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from lnf.errors import UserError
from lnf.system.files import try_read_json, write_json
from lnf.system.processes import alive

RECORD = Path(".lnf", "workflow.json")
LOCKS = Path(".snakemake", "locks")


def record(identity: str, command: Sequence[str]) -> None:
    """Write down who is at work here."""
    write_json(RECORD, {"owner": identity, "host": socket.gethostname(), "command": list(command)})


def require_alone(command: Sequence[str]) -> None:
    """Refuse (UserError) if a workflow is alive in this folder; remove the lock that a dead one left."""
    last = require_no_workflow()
    if not any(LOCKS.glob("*")):
        return
    if last is None or last["host"] != socket.gethostname():
        raise UserError(
            f"{Path.cwd()} is locked by a workflow that `make` did not start on this machine; "
            f"if it is dead, type: {sys.executable} -m snakemake --unlock"
        )
    print("lnf: the last workflow here was killed; unlocking, and going on where it stopped", flush=True)
    subprocess.run([*command, "--unlock", "--quiet", "all"], check=True, stdout=subprocess.DEVNULL)


def require_no_workflow() -> dict[str, Any] | None:
    """Refuse (UserError) if a workflow is alive in this folder. Returns the record of the last that `make` started."""
    last: dict[str, Any] | None = try_read_json(RECORD)
    living = [str(process.pid) for process in psutil.process_iter() if _is_workflow_here(process)]
    if last is not None and last["host"] == socket.gethostname() and alive(last["owner"]):
        living = [last["owner"].partition(":")[0]]
    if living:
        raise UserError(f"another workflow is at work in {Path.cwd()} (process {living[0]}); wait for it, or stop it")
    return last


def _is_workflow_here(process: psutil.Process) -> bool:
    """Whether a process is a Snakemake that works (not a dry run) in this folder, for one may be started by hand."""
    try:
        words = process.cmdline()
        named = any(Path(word).name == "snakemake" for word in words[:4])
        dry = any(word in ("-n", "--dry-run", "--dryrun", "--unlock") for word in words)
        return named and not dry and Path(process.cwd()) == Path.cwd()
    except (psutil.Error, OSError):  # ended meanwhile, or another user's
        return False
