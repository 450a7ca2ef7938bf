"""Piano rolls as music: their voices, and MIDI files.

A roll says which keys sound at each step and not when one is struck: a key that sounds on is one held note.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pretty_midi
from numpy.typing import NDArray

from lnf.kinds.piano import LOWEST_NOTE
from lnf.system.files import replacing

Roll = NDArray[np.integer[Any]]
"""[T, 88] of zeros and ones."""
Note = tuple[int, int, int]
"""(MIDI note, first step, step after the last)."""

VELOCITY = 80
VOICES = {"Soprano": 72, "Alto": 65, "Tenor": 58, "Bass": 50}
"""The voices of a chorale, from above, and a note in the middle of each: where it is before its first."""
CROWDED = 1 / 3
CHOIR, PIANO = 52, 0
"""Instruments of General MIDI."""
BEATS = 4
"""Of a bar; a step is a beat."""


class Part(NamedTuple):
    """A voice or an instrument with its held notes, by their first step."""

    name: str
    program: int
    notes: list[Note]


def parts_of(roll: Roll) -> list[Part]:
    """Four voices, if no more than CROWDED of a roll's steps have more keys, and what they leave; else one piano."""
    if len(roll) and (roll.sum(axis=1) > len(VOICES)).mean() > CROWDED:
        return [Part("Piano", PIANO, sorted(notes(roll), key=lambda note: note[1]))]
    sung = _sung(roll)
    rest = roll.copy()
    for line in sung:
        for step, pitch in enumerate(line):
            if pitch is not None:
                rest[step, pitch - LOWEST_NOTE] = 0
    voices = [Part(name, CHOIR, _held(line)) for name, line in zip(VOICES, sung, strict=True)]
    return [*voices, Part("More voices", CHOIR, list(notes(rest)))] if rest.any() else voices


def notes(roll: Roll) -> Iterator[Note]:
    """Each held note, by key."""
    padded = np.pad(roll.astype(np.int8), ((1, 1), (0, 0)))
    changes = np.diff(padded, axis=0)
    for key in np.flatnonzero(roll.any(axis=0)):
        starts, ends = np.flatnonzero(changes[:, key] == 1), np.flatnonzero(changes[:, key] == -1)
        yield from ((LOWEST_NOTE + int(key), int(a), int(b)) for a, b in zip(starts, ends, strict=True))


def _sung(roll: Roll) -> list[list[int | None]]:
    """What each voice sings at each step: no voice crosses another, and together they move as little as they can."""
    last = list(VOICES.values())
    sung: list[list[int | None]] = [[] for _ in VOICES]
    for step in roll:
        pitches = [LOWEST_NOTE + int(key) for key in np.flatnonzero(step)[::-1]]
        of_voice = _nearest(pitches, last)
        for voice, line in enumerate(sung):
            line.append(of_voice.get(voice))
            last[voice] = of_voice.get(voice, last[voice])
    return sung


def _nearest(pitches: Sequence[int], last: Sequence[int]) -> dict[int, int]:
    """Voice -> its pitch, as many as there are of both, where the sum of all moves is least."""
    many = min(len(pitches), len(last))
    choices = product(combinations(range(len(last)), many), combinations(pitches, many))
    voices, chosen = min(choices, key=lambda one: sum(abs(last[v] - p) for v, p in zip(*one, strict=True)))
    return dict(zip(voices, chosen, strict=True))


def _held(sung: Sequence[int | None]) -> list[Note]:
    """The held notes of one voice."""
    held: list[Note] = []
    for step, pitch in enumerate(sung):
        if pitch is not None:
            first = held.pop()[1] if step and sung[step - 1] == pitch else step
            held.append((pitch, first, step + 1))
    return held


def write_midi(roll: Roll, step_seconds: float, path: Path) -> None:
    """A MIDI file of a roll: a track for each part, and a step as a quarter note, so that programs for notation show
    bars and not fractions of seconds.
    """
    score = pretty_midi.PrettyMIDI(initial_tempo=60 / step_seconds)
    score.time_signature_changes.append(pretty_midi.TimeSignature(BEATS, 4, 0.0))
    for part in parts_of(roll):
        track = pretty_midi.Instrument(part.program, name=part.name)
        track.notes = [pretty_midi.Note(VELOCITY, key, a * step_seconds, b * step_seconds) for key, a, b in part.notes]
        score.instruments.append(track)
    with replacing(path) as scratch:
        score.write(str(scratch))
