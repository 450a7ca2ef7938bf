"""File locks: the one writer of a run directory, and whatever else must happen once at a time.

The kernel frees a lock when its holder dies. On a file system without such locks (`flock` fails with ENOSYS), a file
that only one process can create is the lock, with its holder's host and pid in it; one whose holder is dead is
taken over, on the same host.
"""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lnf.errors import UserError

NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""What a file system answers that has no locks."""
HOLDER, TAKING = ".holder", ".taking"


@contextmanager
def locked(path: Path, wait_s: float, purpose: str) -> Iterator[None]:
    """Hold the lock file `path` (made if missing) for the block. The kernel frees it when the holder dies.

    Raises UserError, which names the holder's pid and `purpose`, if it cannot be had within `wait_s` seconds.
    """
    end = time.monotonic() + wait_s
    while (release := _try_lock(path)) is None:
        if time.monotonic() > end:
            raise UserError(f"{purpose}: process {_holder(path)} holds {path}; wait for it to end, or stop it")
        time.sleep(0.1)
    try:
        yield
    finally:
        release()


@contextmanager
def run_lock(run_dir: Path, wait_s: float = 30.0) -> Iterator[None]:
    """Be the one writer of a run directory. Waits for a dying predecessor, then raises UserError naming its pid."""
    with locked(run_dir / "state" / "lock", wait_s, str(run_dir)):
        yield


def _try_lock(path: Path) -> Callable[[], None] | None:
    """What releases the lock, or None if another holds it or has just removed it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:  # a finished run removes its folder between our mkdir and our open
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Locked, but is it still the file of that name? A finished run removes state/ and the lock in it.
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            return lambda: os.close(descriptor)
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as problem:
        if problem.errno not in NO_LOCKS:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return _try_create(path)
    os.close(descriptor)
    return None


def _try_create(path: Path) -> Callable[[], None] | None:
    """`_try_lock` by a file that only one process can create."""
    holder, taking = (path.with_name(path.name + ending) for ending in (HOLDER, TAKING))
    if (before := _text(holder)) is not None and not _may_live(before) and _create(taking):
        if _text(holder) == before:  # one process at a time removes what a dead one left, and only that
            holder.unlink(missing_ok=True)
        taking.unlink(missing_ok=True)
    try:
        if not _create(holder):
            return None
        path.write_text(str(os.getpid()), encoding="utf-8")
    except FileNotFoundError:  # a finished run removes its folder
        return None
    return lambda: holder.unlink(missing_ok=True)


def _create(path: Path) -> bool:
    """Create a file that says who this process is; False if it is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    os.write(descriptor, f"{os.getpid()} {socket.gethostname()}".encode())
    os.close(descriptor)
    return True


def _may_live(holder: str) -> bool:
    """Whether the process that a holder's file names may be alive: on another host nobody knows."""
    pid, _, host = holder.partition(" ")
    if host != socket.gethostname() or not pid.isdecimal():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8") or None
    except OSError:
        return None


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") or "(unknown)"
    except FileNotFoundError:
        return "(unknown)"
