"""The training sequence that is nearest to a sample, so that a reader sees whether anything is memorised."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein
from scipy.signal import oaconvolve

Roll = NDArray[np.uint8]


@dataclass(frozen=True)
class Nearest:
    """A training sequence and how like it is, 1 for equal. Text: 1 - edits / the longer length. Music: the Dice share
    2 common / (notes + notes), at the shift in time where it is largest.
    """

    row: int
    likeness: float


def nearest_text(text: str, train: Sequence[str]) -> Nearest:
    """By edit distance (Levenshtein)."""
    _, likeness, row = process.extractOne(text, train, scorer=Levenshtein.normalized_similarity)
    return Nearest(row, likeness)


class Rolls:
    """Training rolls laid out in one long roll with silence between, to be searched at every shift at once."""

    def __init__(self, train: Sequence[Roll], longest: int) -> None:
        """`longest`: steps of the longest sample that will be asked about."""
        self._starts = np.cumsum([longest, *(len(roll) + longest for roll in train)])[:-1]
        self._long = np.zeros((int(sum(map(len, train))) + longest * (len(train) + 1), 88), np.float32)
        for start, roll in zip(self._starts, train, strict=True):
            self._long[start : start + len(roll)] = roll

    def nearest(self, roll: Roll) -> Nearest:
        """By notes in common at the best shift."""
        common = oaconvolve(self._long, roll[::-1].astype(np.float32), mode="valid", axes=0).sum(axis=1)
        window = oaconvolve(self._long.sum(axis=1), np.ones(len(roll), np.float32), mode="valid")
        likeness = 2 * common / np.maximum(window + roll.sum(), 1)
        shift = int(likeness.argmax())
        middle = shift + len(roll) // 2
        row = int(np.clip(np.searchsorted(self._starts, middle, side="right") - 1, 0, len(self._starts) - 1))
        return Nearest(row, float(np.clip(likeness[shift], 0.0, 1.0)))
