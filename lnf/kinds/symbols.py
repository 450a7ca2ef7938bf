"""Sequences of symbols: words, residues, bases; and text, whose symbols are characters."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lnf.kinds.base import Array, Kind, id_type, whole_numbers

if TYPE_CHECKING:
    from lnf.kinds.emission import Emission

SHOWN = 5
"""Symbols that a line on a corpus names."""


class Symbols(Kind):
    """Symbol ids [T] of a vocabulary of any size, emitted by a categorical distribution."""

    unit: ClassVar[str] = "bits/{symbol}"
    title: ClassVar[str] = "Symbols"
    columns: ClassVar[str] = "symbols"
    symbols: ClassVar[bool] = True
    countable: ClassVar[bool] = True
    grams: ClassVar[Mapping[str, int]] = {"symbols": 1, "pairs": 2, "triples": 3}
    """What is counted -> how many symbols next to each other it is."""

    def emission(self) -> "type[Emission]":
        from lnf.kinds.emission import Categorical

        return Categorical

    def values(self, width: int) -> Array:
        return np.arange(width)

    def dtype(self, width: int) -> np.dtype[Any]:
        return id_type(width)

    def fault(self, x: Array, width: int) -> str | None:
        return whole_numbers(x, width - 1)

    def line(self, x: Array, vocabulary: Sequence[str] | None, separator: str) -> str:
        assert vocabulary is not None, "a corpus of symbols has them"
        return separator.join(vocabulary[symbol] for symbol in x.tolist())

    def counted(self, sequences: Sequence[Array]) -> Mapping[str, Iterable[Hashable]]:
        return {name: _grams(sequences, n) for name, n in self.grams.items()}

    def about(self, train: Sequence[Array], vocabulary: Sequence[str] | None) -> str:
        assert vocabulary is not None, "a corpus of symbols has them"
        shares = np.bincount(np.concatenate(list(train)), minlength=len(vocabulary)) / sum(map(len, train))
        most = np.argsort(-shares, kind="stable")[:SHOWN]
        return "most frequent: " + ", ".join(f"{vocabulary[n]!r} {shares[n]:.1%}" for n in most)


class Text(Symbols):
    """Characters."""

    unit: ClassVar[str] = "bpc"
    title: ClassVar[str] = "Text"
    grams: ClassVar[Mapping[str, int]] = {"characters": 1, "pairs": 2, "triples": 3}


def _grams(sequences: Sequence[Array], n: int) -> Iterable[Hashable]:
    for x in sequences:
        symbols = x.tolist()
        yield from zip(*(symbols[start:] for start in range(n)), strict=False)
