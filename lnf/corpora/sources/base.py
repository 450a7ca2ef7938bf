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

Sequences = list[NDArray[np.uint8]]
"""Text: symbol ids [T]. Music: piano rolls [T, 88] of zeros and ones."""
Columns = dict[str, NDArray[np.float64]]
"""One number a sequence, by name."""


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
