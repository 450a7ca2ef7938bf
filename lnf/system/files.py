"""Files written whole or not at all, what becomes of damaged ones, and the canonical text that digests are taken of.

A damaged file is one that is not there. It is renamed, so that whatever makes it makes it again.
"""

import errno
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lnf.errors import UserError

UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY})
"""What a file system answers that lacks a call altogether."""

REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of your quota",
    errno.EFBIG: "raise the limit on the size of a file",
    errno.EROFS: "work in a folder that can be written to",
    errno.EACCES: "work in a folder that you may write to",
    errno.EPERM: "work in a folder that you may write to",
    errno.EIO: "look after the disk",
    errno.EMFILE: "raise the limit on open files",
    errno.ENFILE: "close other programs",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ELOOP: "mend the symbolic link",
    errno.ENOTDIR: "move the file of that name away",
    errno.ENOMEM: "leave it more memory",
}
"""What helps where the machine refuses: no space, no permission, a path that cannot be."""
DAMAGED = ".damaged"
LONGEST_REASON = 100


class Damaged(UserError):
    """A file of ours is damaged; the message names it, what is wrong, and what becomes of it.

    `aside`: whether it could be moved out of the way.
    """

    def __init__(self, message: str, aside: bool) -> None:
        super().__init__(message)
        self.aside = aside


@contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[Path]:
    """Yield a scratch path next to `path`; rename it into place if the block succeeds, remove it if not.

    `durable`: what is written outlives a loss of power from then on; without, a file that is soon written again may
    be found empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield scratch
        if durable:
            _flush(scratch)
        os.replace(scratch, path)
        if durable:
            _flush_folder(path.parent)
    except OSError as problem:
        problem.filename = problem.filename or str(path)  # a stream does not know its name
        raise
    finally:
        scratch.unlink(missing_ok=True)


def write_json(path: Path, value: Any, durable: bool = True) -> None:
    """Write `value` as indented JSON with sorted keys, atomically."""
    with replacing(path, durable) as scratch:
        scratch.write_text(_indented(value), encoding="utf-8")


def keep_json(path: Path, value: Any) -> None:
    """`write_json` of what can be written again at any time, but a file that says so already is left as it is."""
    if not path.exists() or path.read_bytes() != _indented(value).encode():
        write_json(path, value, durable=False)


def read_json(path: Path) -> Any:
    """Read one JSON document. Raises FileNotFoundError, and Damaged if the file is no such document."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise set_aside(path, f"not JSON: {problem}") from None


def try_read_json(path: Path) -> Any:
    """`read_json`, but None if the file is not there, or is damaged, which one line reports."""
    try:
        return read_json(path)
    except FileNotFoundError:
        return None
    except Damaged as damaged:
        tell(damaged)
        return None


def set_aside(path: Path, reason: str, then: str | None = None) -> Damaged:
    """Rename a damaged file to NAME.damaged, where it is in nobody's way; the error to raise, with what comes then."""
    aside = damaged_name(path)
    try:
        os.replace(path, aside)
    except OSError as problem:  # a folder that cannot be written to
        return Damaged(f"{path}: damaged ({reason}) and cannot be set aside ({problem.strerror}); remove it", False)
    then = then or "the same workflow makes it again"
    return Damaged(f"{path}: damaged ({reason}); it is set aside as {aside.name}, and {then}", True)


def damaged_name(path: Path) -> Path:
    """Where a damaged file is kept."""
    return path.with_name(path.name + DAMAGED)


def first_line(problem: Exception) -> str:
    """What an exception says, in half a line."""
    return (str(problem).strip() or type(problem).__name__).splitlines()[0][:LONGEST_REASON]


def tell(damaged: Damaged) -> None:
    """Say so in one line, where it is no reason to stop."""
    print(f"lnf: {damaged}", file=sys.stderr, flush=True)


def _flush(path: Path) -> None:
    """Have the disk hold what was written to a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """`_flush` of the names in a folder, where its file system can: some network and FUSE file systems refuse."""
    try:
        _flush(folder)
    except OSError as problem:
        if problem.errno not in UNSUPPORTED:
            raise


def _indented(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """The first 16 hex digits of the sha256 of `canonical(value)`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sentence(problem: OSError) -> str | None:
    """One line that names the file, what the machine said and what helps; None if it is no fault of the machine's."""
    if problem.errno not in REMEDIES:
        return None
    said = os.strerror(problem.errno).lower()
    where = f"{problem.filename}: " if problem.filename else ""
    return f"{where}{said}; {REMEDIES[problem.errno]}, and give the same command again"
