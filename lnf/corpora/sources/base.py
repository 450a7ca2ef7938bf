"""What every source returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "valid", "test")
Sequences = list[NDArray[Any]]
"""Symbol ids [T]; or vectors [T, V], as piano rolls [T, 88] of zeros and ones. Of any type that holds the values."""
Columns = dict[str, NDArray[np.float64]]
"""One number a sequence, by name."""


@dataclass(frozen=True)
class RawCorpus:
    """A whole corpus, unfiltered: its three splits, its symbols (None for vectors) and what a source knows exactly.

    `columns` holds, for each split, numbers of each sequence; `source` goes into meta.json as it is. `symbol` is what a
    symbol is called in the unit of tables (bits/word), `separator` what is written between symbols.
    """

    splits: Mapping[str, Sequences]
    vocabulary: Sequence[str] | None = None
    columns: Mapping[str, Columns] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    symbol: str = "symbol"
    separator: str = ""

    @property
    def width(self) -> int:
        """Number of symbols, keys or columns; 0 if there is no sequence of vectors that shows it."""
        if self.vocabulary is not None:
            return len(self.vocabulary)
        return next((x.shape[1] for split in SPLITS for x in self.splits[split] if x.ndim == 2), 0)
