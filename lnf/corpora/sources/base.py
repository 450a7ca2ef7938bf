"""What every source returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "valid", "test")
KEYS = 88
"""Keys of a piano; column j of a roll is MIDI note LOWEST_NOTE + j."""
LOWEST_NOTE = 21

Sequences = list[NDArray[np.integer[Any]]]
"""Text: symbol ids [T]. Music: piano rolls [T, 88] of zeros and ones. Of any whole-number type that holds them."""
Columns = dict[str, NDArray[np.float64]]
"""One number a sequence, by name."""


def id_type(width: int) -> np.dtype[np.unsignedinteger[Any]]:
    """The smallest unsigned type that holds the ids 0..width - 1."""
    return np.dtype(next(kind for kind in (np.uint8, np.uint16, np.uint32) if width - 1 <= np.iinfo(kind).max))


def out_of_range(x: NDArray[Any], kind: str, width: int) -> str | None:
    """What is wrong with values of sequences, in words, or None: text has ids 0..width - 1, music zeros and ones."""
    most = 1 if kind == "music" else width - 1
    wrong = [value for value in (int(x.min()), int(x.max())) if not 0 <= value <= most] if x.size else []
    return f"holds {wrong[0]}; whole numbers from 0 to {most} would be right" if wrong else None


@dataclass(frozen=True)
class RawCorpus:
    """A whole corpus, unfiltered: its three splits, its symbols (None for music) and facts that a source knows exactly.

    `columns` holds, for each split, numbers of each sequence; `source` goes into meta.json as it is.
    """

    splits: Mapping[str, Sequences]
    vocabulary: Sequence[str] | None = None
    columns: Mapping[str, Columns] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Number of symbols, or of keys."""
        return KEYS if self.vocabulary is None else len(self.vocabulary)
