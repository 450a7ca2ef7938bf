"""Files of ours that are not what was written: cut short by a full disk or a lost machine, or with a bit that flipped.

A damaged file is one that is not there. It is set aside under another name, so that whatever makes it makes it again.
"""

import os
import sys
from pathlib import Path

from lnf.errors import UserError

SUFFIX = ".damaged"
LONGEST = 100


class Damaged(UserError):
    """A file of ours is damaged; the message names it, what is wrong, and what becomes of it.

    `aside`: whether it could be moved out of the way.
    """

    def __init__(self, message: str, aside: bool) -> None:
        super().__init__(message)
        self.aside = aside


def set_aside(path: Path, reason: str, then: str = "the same workflow makes it again") -> Damaged:
    """Rename a damaged file to NAME.damaged, where it is in nobody's way; the error to raise."""
    aside = damaged_name(path)
    try:
        os.replace(path, aside)
    except OSError as problem:  # a folder that cannot be written to
        return Damaged(f"{path}: damaged ({reason}) and cannot be set aside ({problem.strerror}); remove it", False)
    return Damaged(f"{path}: damaged ({reason}); it is set aside as {aside.name}, and {then}", True)


def first_line(problem: Exception) -> str:
    """What an exception says, in half a line."""
    return (str(problem).strip() or type(problem).__name__).splitlines()[0][:LONGEST]


def damaged_name(path: Path) -> Path:
    """Where a damaged file is kept."""
    return path.with_name(path.name + SUFFIX)


def unsealed(path: Path) -> UserError:
    """The error for a file without a checksum: no damage, but a revision of lnf that wrote none."""
    return UserError(f"{path}: has no checksum, so an older revision wrote it; read it with that one, or move it away")


def tell(damaged: Damaged) -> None:
    """Say so in one line, where it is no reason to stop."""
    print(f"lnf: {damaged}", file=sys.stderr, flush=True)
