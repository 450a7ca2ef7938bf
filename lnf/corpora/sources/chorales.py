"""Bach's chorales from the scores inside the package music21, as piano rolls in C.

The pieces are those of Riemenschneider's 371 numbers. Several numbers share one score in music21's list: each score
is used once. The four voices only (no instruments that double them); repeats are not played, fermatas are as written.

The split. Two pieces are related if they have the same BWV work number, or the same tune: the first `TUNE_MOVES`
moves of the soprano between its successive different notes on the beats, in semitones. Related pieces,
directly or through others, form a group, which goes whole into one split: with n the smallest BWV number in the
group, valid if n mod 5 is 0, test if it is 1, else train. (`TUNE_MOVES` = 8 finds the hymn tunes under their many
titles: fewer moves confuse different tunes, more miss variants of one.)
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnf.corpora.sources.base import SPLITS, RawCorpus
from lnf.corpora.sources.workers import map_with_progress
from lnf.errors import UserError
from lnf.kinds.piano import KEYS, LOWEST_NOTE

TUNE_MOVES = 8
VOICES = ("Soprano", "Alto", "Tenor", "Bass")
MISSPELT = {"18.5-l": "18.5-lz"}
"""Names in music21's list whose score has another name."""


@dataclass(frozen=True)
class Chorale:
    """One score: its name in music21 (`BWV.movement`), roll [T, 88] in C, and tune (moves in semitones)."""

    name: str
    roll: NDArray[np.uint8]
    tune: tuple[int, ...]

    @property
    def work(self) -> int:
        """The BWV number."""
        return work_number(self.name)


def read(settings: Mapping[str, Any], files: Mapping[str, Path]) -> RawCorpus:
    """Parse all scores (some ten seconds on two cores) and split them; within a split in the order of BWV numbers.

    Raises UserError if music21 is not installed.
    """
    names = scores()
    chorales = map_with_progress(parse, names, "chorales: scores read")
    split_of = assign(chorales)
    return RawCorpus({split: [c.roll for c in chorales if split_of[c.name] == split] for split in SPLITS})


def scores() -> list[str]:
    """Names of the distinct scores behind Riemenschneider's numbers, by BWV number, then movement."""
    try:
        from music21.corpus.chorales import ChoraleListRKBWV
    except ImportError as problem:
        raise UserError(f"data: chorales: music21 cannot be imported ({problem}); pip install music21") from problem
    catalogue: Any = ChoraleListRKBWV  # not annotated in music21
    listed = {entry["bwv"] for entry in catalogue().byRiemenschneider.values()}
    return sorted({MISSPELT.get(name, name) for name in listed}, key=lambda name: (work_number(name), name))


def work_number(name: str) -> int:
    """The BWV number in a score's name: 248 for `248.12-2`."""
    return int(re.split(r"\D", name, maxsplit=1)[0])


def parse(name: str) -> Chorale:
    """Read one score. Nothing is read from or written to music21's cache, which holds pickles."""
    from music21 import converter, corpus

    folder = Path(corpus.__file__).parent / "bach"
    path = next(path for ending in ("mxl", "xml") if (path := folder / f"bwv{name}.{ending}").exists())
    score: Any = converter.parse(path, forceSource=True, storePickle=False)
    first_bar = score.parts[0].getElementsByClass("Measure")[1].offset
    grid = Fraction(first_bar) % 1  # the beats lie where the barlines do: an upbeat may be a broken number of quarters
    steps = math.ceil(Fraction(score.highestTime) - grid)
    shift = to_c(score.analyze("key").tonic.pitchClass)
    rolls = [_roll(part, grid, steps, shift) for part in score.parts if str(part.id).startswith(VOICES)]
    return Chorale(name, np.bitwise_or.reduce(rolls), tune(rolls[0]))


def _roll(part: Any, grid: Fraction, steps: int, shift: int) -> NDArray[np.uint8]:
    """One voice, [T, 88]: the notes that sound on each beat, `shift` semitones higher."""
    roll = np.zeros((steps, KEYS), dtype=np.uint8)
    for sound in part.flatten().notes:
        on_beats = beats_within(Fraction(sound.offset) - grid, Fraction(sound.quarterLength))
        for pitch in sound.pitches:
            roll[on_beats, pitch.midi + shift - LOWEST_NOTE] = 1
    return roll


def to_c(tonic: int) -> int:
    """Semitones, -6..5, that take a tonic's pitch class to C. The mode stays."""
    return (6 - tonic) % 12 - 6


def beats_within(start: Fraction, length: Fraction) -> slice:
    """The whole numbers t >= 0 with start <= t < start + length."""
    return slice(max(0, -(-start // 1)), max(0, -(-(start + length) // 1)))


def tune(roll: NDArray[np.uint8]) -> tuple[int, ...]:
    """The first `TUNE_MOVES` moves of a voice [T, 88], in semitones, repeated notes and rests left out."""
    highest = [int(keys.nonzero()[0][-1]) for keys in roll if keys.any()]
    moves = [after - before for before, after in pairwise(highest) if after != before]
    return tuple(moves[:TUNE_MOVES])


def assign(chorales: Sequence[Chorale]) -> dict[str, str]:
    """The split of each piece, by name, by the rule at the head of this module."""
    group = {chorale.work: chorale.work for chorale in chorales}

    def first(work: int) -> int:
        while group[work] != work:
            work = group[work]
        return work

    by_tune: dict[tuple[int, ...], int] = {}
    for chorale in chorales:
        low, high = sorted((first(chorale.work), first(by_tune.setdefault(chorale.tune, chorale.work))))
        group[high] = low
    return {chorale.name: {0: "valid", 1: "test"}.get(first(chorale.work) % 5, "train") for chorale in chorales}
