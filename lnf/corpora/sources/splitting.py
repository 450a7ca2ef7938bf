"""How a reader splits a user's own files: by their names, or each item by the sha256 of what is in it.

Equal items are then in one split, and an item that is added moves no other.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lnf.corpora.sources.base import SPLITS
from lnf.errors import UserError


@dataclass(frozen=True)
class Shares:
    """The shares of valid and test. Raises UserError if nothing is left for train."""

    valid: float
    test: float

    def __post_init__(self) -> None:
        if not (0 < self.valid < 1 and 0 < self.test < 1 and self.valid + self.test < 1):
            shares = f"valid {self.valid} and test {self.test}"
            raise UserError(f"data: options: {shares}: must be above 0, and less than 1 together")

    def split_of(self, content: bytes) -> str:
        """The split of an item."""
        place = int.from_bytes(hashlib.sha256(content).digest()[:8], "big") / 2**64
        return "test" if place < self.test else "valid" if place < self.test + self.valid else "train"


def named_splits(files: Mapping[str, Path]) -> dict[str, str]:
    """File -> its split, if the names say it: each file, or a folder that it is in, is called train, valid or test, and
    all three occur. Else nothing.
    """
    found = {name: _named(name) for name in files}
    named = {name: split for name, split in found.items() if split}
    return named if len(named) == len(files) and set(named.values()) == set(SPLITS) else {}


def _named(name: str) -> str | None:
    path = PurePosixPath(name)
    return next((part for part in (*path.parts[:-1], path.name.partition(".")[0]) if part in SPLITS), None)
