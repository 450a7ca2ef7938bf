"""Music moved along the keyboard, so that a model meets each training sequence in many keys.

Axes: T time, V keys.
"""

import numpy as np
import torch

from lnf.corpora.loading import Split


def transposed(split: Split, semitones: int, generator: torch.Generator) -> Split:
    """The split with each sequence moved by its own number of keys, each of -semitones..semitones as likely as another.

    Moves that would push a note off the keyboard are left out. Of columns nothing is said: they would not hold.
    """
    draws = torch.rand(len(split), generator=generator).tolist()
    pairs = zip(split.sequences, draws, strict=True)
    return Split([_moved(x_TV, _keys(x_TV, semitones, draw)) for x_TV, draw in pairs], {}, split.width)


def _keys(x_TV: np.ndarray, semitones: int, draw: float) -> int:
    """A move by a uniform draw from [0, 1)."""
    played = np.flatnonzero(x_TV.any(axis=0))
    lowest, highest = (played[0], played[-1]) if len(played) else (0, x_TV.shape[1] - 1)
    down, up = min(semitones, int(lowest)), min(semitones, x_TV.shape[1] - 1 - int(highest))
    return int(draw * (down + up + 1)) - down


def _moved(x_TV: np.ndarray, keys: int) -> np.ndarray:
    """What is moved off the keyboard would come back at its other end: `_keys` leaves no such note."""
    return np.roll(x_TV, keys, axis=1)
