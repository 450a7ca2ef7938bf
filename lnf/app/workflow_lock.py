"""One workflow per folder, by a lock that the kernel frees when all who hold it have ended.

`lnf run` takes it and hands it to its Snakemake. A Snakemake that was started by hand takes it in `onstart`, before its
first job.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lnf.errors import UserError
from lnf.system.locks import Lock, holder, try_lock

LOCK = Path(".lnf", "workflow.lock")
INHERITED = "LNF_WORKFLOW_LOCK"
"""The variable that gives Snakemake the descriptor of the lock that `lnf run` holds."""
NO_DESCRIPTOR = "none"
"""Its value on a file system without locks."""
SNAKEMAKES = Path(".snakemake", "locks")


def take() -> Lock:
    """The lock of this folder. Raises UserError if a workflow is at work here."""
    lock = try_lock(LOCK)
    if lock is None:
        who = ((known := holder(LOCK)) and known.name) or "another process"
        raise UserError(f"another workflow is at work in {Path.cwd()} ({who}); wait for it, or stop it")
    return lock


@contextmanager
def held() -> Iterator[Lock]:
    """Be the one at work in this folder for the block. Raises UserError if a workflow is."""
    lock = take()
    try:
        yield lock
    finally:
        lock.release()


def take_or_inherit() -> Lock | None:
    """The lock of this folder; None if the process that started this one has handed it on. Raises UserError."""
    handed = os.environ.pop(INHERITED, None)
    if handed == NO_DESCRIPTOR or (handed is not None and handed.isdecimal() and _is_lock(int(handed))):
        return None
    return take()


def handed(lock: Lock) -> tuple[Mapping[str, str], tuple[int, ...]]:
    """The variables, and the descriptors, of a process that the lock is handed to."""
    if lock.descriptor is None:
        return {INHERITED: NO_DESCRIPTOR}, ()
    return {INHERITED: str(lock.descriptor)}, (lock.descriptor,)


def unlock(lock: Lock, command: Sequence[str]) -> None:
    """Remove Snakemake's own locks, which a workflow left that was killed.

    Raises UserError if that workflow, for all that is known, may be alive on another machine.
    """
    if not any(SNAKEMAKES.glob("*")):
        return
    last = lock.before
    if last is None or not last.of_this_machine:
        who = "an unknown workflow" if last is None else f"a workflow on {last.host or 'another host'}"
        raise UserError(f"{Path.cwd()} is locked by {who}; if it is dead, type: {sys.executable} -m snakemake --unlock")
    print("lnf: the last workflow here was killed; unlocking, and going on where it stopped", flush=True)
    subprocess.run([*command, "--unlock", "--quiet", "all"], check=True, stdout=subprocess.DEVNULL)


def _is_lock(descriptor: int) -> bool:
    """Whether an open file of this process is the lock, and no file that took its number."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(LOCK))
    except OSError:
        return False
