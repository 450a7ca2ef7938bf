"""Polyphonic music: which keys of a piano sound at each step."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lnf.kinds.base import Array, Kind, whole_numbers

if TYPE_CHECKING:
    from lnf.kinds.emission import Emission

KEYS = 88
"""Keys of a piano; column j of a roll is MIDI note LOWEST_NOTE + j."""
LOWEST_NOTE = 21


class Music(Kind):
    """Piano rolls [T, 88] of zeros and ones, each key emitted by itself."""

    title: ClassVar[str] = "Polyphonic music"
    columns: ClassVar[str] = "keys"
    width: ClassVar[int | None] = KEYS
    countable: ClassVar[bool] = True

    def emission(self) -> "type[Emission]":
        from lnf.kinds.emission import Bernoulli

        return Bernoulli

    def values(self, width: int) -> Array:
        return np.array(list(product((0, 1), repeat=width)))

    def dtype(self, width: int) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def fault(self, x: Array, width: int) -> str | None:
        return whole_numbers(x, 1)

    def about(self, train: Sequence[Array], vocabulary: Sequence[str] | None) -> str:
        steps = np.concatenate(list(train))
        keys = np.flatnonzero(steps.any(axis=0)) + LOWEST_NOTE
        lowest, highest = (keys[0], keys[-1]) if len(keys) else (0, 0)
        return f"{steps.sum(axis=1).mean():.2f} notes a step, MIDI notes {lowest} to {highest}"

    def counted(self, sequences: Sequence[Array]) -> Mapping[str, Iterable[Hashable]]:
        steps = np.concatenate(list(sequences)) if sequences else np.zeros((0, KEYS), np.uint8)
        return {
            "pitches": (int(key) for key in steps.nonzero()[1]),
            "notes at a time": (int(notes) for notes in steps.sum(axis=1)),
        }
