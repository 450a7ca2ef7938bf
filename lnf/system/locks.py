"""File locks: the one writer of a run directory, and whatever else must happen once at a time."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lnf.errors import UserError


@contextmanager
def locked(path: Path, wait_s: float, purpose: str) -> Iterator[None]:
    """Hold the lock file `path` (made if missing) for the block. The kernel frees it when the holder dies.

    Raises UserError, which names the holder's pid and `purpose`, if it cannot be had within `wait_s` seconds.
    """
    end = time.monotonic() + wait_s
    while (descriptor := _try_lock(path)) is None:
        if time.monotonic() > end:
            raise UserError(f"{purpose}: process {_holder(path)} holds {path}; wait for it to end, or stop it")
        time.sleep(0.1)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)


@contextmanager
def run_lock(run_dir: Path, wait_s: float = 30.0) -> Iterator[None]:
    """Be the one writer of a run directory. Waits for a dying predecessor, then raises UserError naming its pid."""
    with locked(run_dir / "state" / "lock", wait_s, str(run_dir)):
        yield


def _try_lock(path: Path) -> int | None:
    """The descriptor of the locked file, or None if another holds it or has just removed it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:  # a finished run removes its folder between our mkdir and our open
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Locked, but is it still the file of that name? A finished run removes state/ and the lock in it.
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") or "(unknown)"
    except FileNotFoundError:
        return "(unknown)"
