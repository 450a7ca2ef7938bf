"""How samples differ from data: total variation distances of histograms (0 to 1), and nearest training sequences."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein
from scipy.signal import oaconvolve

from lnf.kinds.base import kind_of
from lnf.kinds.piano import KEYS

Roll = NDArray[np.integer[Any]]

Sequences = Sequence[NDArray[np.integer[Any]]]
Histogram = Mapping[Hashable, float]


def histograms(sequences: Sequences, kind: str) -> dict[str, Histogram]:
    """The shares of what the kind counts: pitches and notes at a time of music, characters, pairs, triples of text."""
    return {name: _shares(things) for name, things in kind_of(kind).counted(sequences).items()}


def distance(one: Histogram, other: Histogram) -> float:
    """Total variation: half the sum of absolute differences of shares; 0 equal, 1 nothing in common."""
    return sum(abs(one.get(key, 0.0) - other.get(key, 0.0)) for key in {*one, *other}) / 2


def distances(sequences: Sequences, data: Sequences, kind: str) -> dict[str, float]:
    """Each histogram's distance from the data's."""
    ours, theirs = histograms(sequences, kind), histograms(data, kind)
    return {name: distance(ours[name], theirs[name]) for name in ours}


def density(sequences: Sequences) -> float:
    """Notes that sound at a step of music, on average."""
    return float(np.concatenate(list(sequences)).sum(axis=1).mean())


def _shares(things: Iterable[Hashable]) -> Histogram:
    counts = Counter(things)
    total = counts.total()
    return {thing: count / total for thing, count in counts.items()}


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


ROWS_AT_ONCE = 1 << 15
"""Steps of training music that are searched together: what bounds the memory."""


class Rolls:
    """Training rolls that are searched at every shift in time."""

    def __init__(self, train: Sequence[Roll]) -> None:
        self._train = train

    def nearest(self, roll: Roll) -> Nearest:
        """By notes in common at the best shift."""
        best = Nearest(0, 0.0)
        for first, part in _parts(self._train):
            found = _nearest_of(roll, part)
            if found.likeness > best.likeness:
                best = Nearest(first + found.row, found.likeness)
        return best


def _parts(train: Sequence[Roll]) -> Iterator[tuple[int, Sequence[Roll]]]:
    """(row of the first, rolls) of parts with about ROWS_AT_ONCE steps."""
    ends = np.cumsum([len(roll) for roll in train])
    part = ends // ROWS_AT_ONCE
    for number in np.unique(part):
        rows = np.flatnonzero(part == number)
        yield int(rows[0]), train[rows[0] : rows[-1] + 1]


def _nearest_of(roll: Roll, train: Sequence[Roll]) -> Nearest:
    """The rolls laid out in one long roll with silence between, so that no shift of `roll` touches two of them."""
    gap = len(roll)
    starts = np.cumsum([gap, *(len(other) + gap for other in train)])[:-1]
    long = np.zeros((int(starts[-1]) + len(train[-1]) + gap, KEYS), np.float32)
    for start, other in zip(starts, train, strict=True):
        long[start : start + len(other)] = other
    common = oaconvolve(long, roll[::-1].astype(np.float32), mode="valid", axes=0).sum(axis=1)
    window = oaconvolve(long.sum(axis=1), np.ones(gap, np.float32), mode="valid")
    likeness = 2 * common / np.maximum(window + roll.sum(), 1)
    shift = int(likeness.argmax())
    lengths = np.array([len(other) for other in train])
    overlap = np.minimum(shift + gap, starts + lengths) - np.maximum(shift, starts)
    return Nearest(int(overlap.argmax()), float(np.clip(likeness[shift], 0.0, 1.0)))
