"""The length prior p(T), a histogram of the lengths of train and valid (docs/paper.md 3e)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lnf.corpora.sources.base import Sequences
from lnf.errors import UserError
from lnf.spec import Lengths


def length_prior(splits: Mapping[str, Sequences], settings: Lengths) -> NDArray[np.float64]:
    """p(T) for T = 0..M, [M + 1], with M = int(headroom * longest of train and valid).

    Smoothing `none` allows the lengths of train and valid, `add_one` all of 0..M. Raises UserError if a sequence of any
    split has no probability.
    """
    lengths = {split: [len(x) for x in sequences] for split, sequences in splits.items()}
    seen = lengths["train"] + lengths["valid"]
    longest = int(settings.headroom * max(seen))
    counts = np.bincount(seen, minlength=longest + 1) + (1.0 if settings.smoothing == "add_one" else 0.0)
    rows = ((split, row, length) for split, found in lengths.items() for row, length in enumerate(found))
    for split, row, length in rows:
        place = f"data: {split}: sequence {row} has {length} steps"
        if length > longest:
            raise UserError(
                f"{place}, more than M = {longest} = int(lengths.headroom * {max(seen)});"
                " a greater lengths.headroom would be right"
            )
        if not counts[length]:
            raise UserError(
                f"{place}, which no sequence of train and valid has; lengths.smoothing: add_one would be right"
            )
    p_T: NDArray[np.float64] = counts / counts.sum()
    return p_T
