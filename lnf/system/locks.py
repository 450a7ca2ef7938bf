"""File locks: the one writer of a run directory, and whatever else must happen once at a time.

The kernel frees a lock when its holder dies. On a file system without such locks (`flock` fails with ENOSYS), a file
that only one process can create is the lock, with its holder in it; one whose holder is seen to be dead is taken over.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lnf.errors import UserError
from lnf.system.processes import Holder

NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""What a file system answers that has no locks."""
HOLDER, TAKING = ".holder", ".taking"


@dataclass
class Lock:
    """A lock that is held.

    Attributes:
        path: its file.
        descriptor: what holds it, in this process and in those that inherit it; None on a file system without locks.
        before: who held it before.
    """

    path: Path
    descriptor: int | None
    before: Holder | None

    def hand_to(self, pid: int) -> None:
        """Say that a process, which has inherited the descriptor if there is one, holds the lock too."""
        text = str(Holder.of(pid))
        self.path.write_text(text, encoding="utf-8")
        if self.descriptor is None:
            _next_to(self.path, HOLDER).write_text(text, encoding="utf-8")

    def release(self) -> None:
        """Let others have it; the kernel, once no process has the descriptor."""
        if self.descriptor is None:
            _next_to(self.path, HOLDER).unlink(missing_ok=True)
        else:
            os.close(self.descriptor)


@contextmanager
def locked(path: Path, wait_s: float, purpose: str) -> Iterator[None]:
    """Hold the lock file `path` (made if missing) for the block. The kernel frees it when the holder dies.

    Raises UserError, which names the holder and `purpose`, if it cannot be had within `wait_s` seconds.
    """
    end = time.monotonic() + wait_s
    while (lock := try_lock(path)) is None:
        if time.monotonic() > end:
            who = ((known := holder(path)) and known.name) or "another process"
            raise UserError(f"{purpose}: {who} holds {path}; wait for it to end, or stop it")
        time.sleep(0.1)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def run_lock(run_dir: Path, wait_s: float = 30.0) -> Iterator[None]:
    """Be the one writer of a run directory. Waits for a dying predecessor, then raises UserError naming its pid."""
    with locked(run_dir / "state" / "lock", wait_s, str(run_dir)):
        yield


def holder(path: Path) -> Holder | None:
    """Who holds a lock or, if nobody does, held it last; None if that is not known."""
    text = _text(path)
    return None if text is None else Holder.parse(text)


def try_lock(path: Path) -> Lock | None:
    """The lock, or None if another holds it or has just removed it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:  # a finished run removes its folder between our mkdir and our open
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Locked, but is it still the file of that name? A finished run removes state/ and the lock in it.
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            before = holder(path)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(Holder.of(os.getpid())).encode())
            return Lock(path, descriptor, before)
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


def _try_create(path: Path) -> Lock | None:
    """`try_lock` by a file that only one process can create."""
    held, taking = _next_to(path, HOLDER), _next_to(path, TAKING)
    if (found := _text(held)) is not None and not Holder.parse(found).may_live and _create(taking):
        if _text(held) == found:  # one process at a time removes what a dead one left, and only that
            held.unlink(missing_ok=True)
        taking.unlink(missing_ok=True)
    before = holder(path)
    try:
        if not _create(held):
            return None
        path.write_text(str(Holder.of(os.getpid())), encoding="utf-8")
    except FileNotFoundError:  # a finished run removes its folder
        return None
    return Lock(path, None, before)


def _next_to(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _create(path: Path) -> bool:
    """Create a file that says who this process is; False if it is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    os.write(descriptor, str(Holder.of(os.getpid())).encode())
    os.close(descriptor)
    return True


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace") or None
    except OSError:
        return None
