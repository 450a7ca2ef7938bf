"""What a kind of data says about itself. A new kind is one file with a class derived from `Kind`.

Axes: N sequences or values, T time, V vocabulary size, number of keys or of columns.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lnf.errors import UserError
from lnf.spec import KINDS, imported, kind_path

if TYPE_CHECKING:
    from lnf.kinds.emission import Emission

Array = NDArray[Any]
"""A sequence: symbol ids [T], or a vector a step [T, V]."""


class Kind(ABC):
    """How the data of a corpus look, are emitted, are checked and are written. It has no state."""

    unit: ClassVar[str] = "nats/step"
    """Of its tables: bpc, or bits or nats per something; `{symbol}` is what the corpus calls a symbol."""
    title: ClassVar[str] = ""
    """The heading of its table; else the name of the class."""
    columns: ClassVar[str] = "columns"
    """What V counts."""
    width: ClassVar[int | None] = None
    """The V that every corpus of the kind has; None: its own."""
    symbols: ClassVar[bool] = False
    """Whether a sequence is ids of symbols [T], not vectors [T, V]."""
    countable: ClassVar[bool] = False
    """Whether a sequence is symbols, or zeros and ones: then n-grams are rows of its tables."""
    finite: ClassVar[bool] = True
    """Whether `values` has every value that a step may have: then the laws sum over all short sequences."""

    @abstractmethod
    def emission(self) -> "type[Emission]":
        """The distribution of x_t given features."""

    @abstractmethod
    def values(self, width: int) -> Array:
        """Every value of a step, [N] or [N, V]; if there are infinitely many, some."""

    def dtype(self, width: int) -> np.dtype[Any]:
        """The type of stored sequences."""
        return np.dtype(np.float32)

    def fault(self, x: Array, width: int) -> str | None:
        """What is wrong with the values of an array, in words, or None."""
        return None if np.isfinite(x).all() else "holds a value that is not finite"

    def line(self, x: Array, vocabulary: Sequence[str] | None, separator: str) -> str:
        """A sequence as one line of text."""
        return " ".join(",".join(f"{value:g}" for value in np.atleast_1d(step)) for step in x)

    def counted(self, sequences: Sequence[Array]) -> Mapping[str, Iterable[Hashable]]:
        """What is counted in samples and data, whose shares are then compared: name -> all things that occur."""
        return {"values": (step.tobytes() for x in sequences for step in x)}

    def about(self, train: Sequence[Array], vocabulary: Sequence[str] | None) -> str:
        """What the values of train are like, for people."""
        values = np.concatenate(list(train))
        return f"values from {values.min():g} to {values.max():g}, mean {values.mean():.3g}"

    def unit_for(self, symbol: str = "symbol") -> str:
        """The unit of a corpus which calls its symbols so."""
        return self.unit.format(symbol=symbol)


def kind_of(name: str) -> Kind:
    """A kind by its short name, or by the dotted path of its class. Raises UserError if there is none."""
    if name not in KINDS and "." not in name:
        raise UserError(f"kind: {name!r}: known are {', '.join(KINDS)}, and dotted paths of classes")
    kind: Kind = imported(kind_path(name))()
    return kind


def whole_numbers(x: Array, most: int) -> str | None:
    """What is wrong with values that must be 0..most, in words, or None."""
    wrong = [value for value in (int(x.min()), int(x.max())) if not 0 <= value <= most] if x.size else []
    return f"holds {wrong[0]}; whole numbers from 0 to {most} would be right" if wrong else None


def id_type(width: int) -> np.dtype[np.unsignedinteger[Any]]:
    """The smallest unsigned type that holds the ids 0..width - 1."""
    return np.dtype(next(kind for kind in (np.uint8, np.uint16, np.uint32) if width - 1 <= np.iinfo(kind).max))
