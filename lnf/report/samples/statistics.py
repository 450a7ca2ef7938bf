"""How samples differ from data in what is easily counted: total variation distances of histograms, 0 to 1."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sequences = Sequence[NDArray[np.integer[Any]]]
Histogram = Mapping[Hashable, float]

GRAMS = {"characters": 1, "pairs": 2, "triples": 3}


def histograms(sequences: Sequences, kind: str) -> dict[str, Histogram]:
    """What is counted: characters, pairs and triples of a text; pitches and notes at a time of music."""
    if kind == "text":
        return {name: _shares(_grams(sequences, n)) for name, n in GRAMS.items()}
    steps = np.concatenate(list(sequences)) if sequences else np.zeros((0, 88), np.uint8)
    return {
        "pitches": _shares(int(key) for key in steps.nonzero()[1]),
        "notes at a time": _shares(int(notes) for notes in steps.sum(axis=1)),
    }


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


def _grams(sequences: Sequences, n: int) -> Iterable[Hashable]:
    for x in sequences:
        symbols = x.tolist()
        yield from zip(*(symbols[start:] for start in range(n)), strict=False)


def _shares(things: Iterable[Hashable]) -> Histogram:
    counts = Counter(things)
    total = counts.total()
    return {thing: count / total for thing, count in counts.items()}
