"""Polyphonic music whose notes of a step depend on each other, also given the features (Boulanger-Lewandowski et al.
2012, "Modeling temporal dependencies in high-dimensional sequences"). The LSTM of this kind is their RNN-NADE with an
LSTM; flows of this kind have the paper's prior and a joint emission.
"""

from typing import TYPE_CHECKING, ClassVar

from lnf.kinds.piano import Music

if TYPE_CHECKING:
    from lnf.kinds.emission import Emission


class Chords(Music):
    """Piano rolls [T, 88] of zeros and ones, each key emitted given those below it."""

    title: ClassVar[str] = "Polyphonic music, notes of a step jointly"

    def emission(self) -> "type[Emission]":
        from beyond.nade import Nade

        return Nade
