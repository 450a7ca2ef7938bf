"""Piano rolls as music: MIDI files, and audio that a browser plays.

A roll says which keys sound at each step and not when one is struck: a key that sounds on is one held note.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import soundfile
from numpy.typing import NDArray

from lnf.kinds.piano import LOWEST_NOTE
from lnf.system.files import replacing

Roll = NDArray[np.integer[Any]]
"""[T, 88] of zeros and ones."""

RATE_HZ = 22050
LOUDNESS = 0.7
VELOCITY = 80
PIANO = 0


def write_midi(roll: Roll, step_seconds: float, path: Path) -> None:
    """A MIDI file of a roll, one step lasting `step_seconds`."""
    with replacing(path) as scratch:
        _score(roll, step_seconds).write(str(scratch))


def write_audio(roll: Roll, step_seconds: float, path: Path) -> None:
    """An Ogg Vorbis file of a roll, its notes a few harmonics each; of a silent roll, silence."""
    samples = max(1, round(len(roll) * step_seconds * RATE_HZ))
    sound = np.zeros(samples)
    if roll.any():  # the library divides by the loudest sample
        played = _score(roll, step_seconds).synthesize(RATE_HZ, wave=_wave)[:samples]
        sound[: len(played)] = played
    with replacing(path) as scratch:
        soundfile.write(scratch, sound * LOUDNESS, RATE_HZ, format="OGG", subtype="VORBIS")


def notes(roll: Roll) -> Iterator[tuple[int, int, int]]:
    """(MIDI note, first step, step after the last) of each held note, by key."""
    padded = np.pad(roll.astype(np.int8), ((1, 1), (0, 0)))
    changes = np.diff(padded, axis=0)
    for key in np.flatnonzero(roll.any(axis=0)):
        starts, ends = np.flatnonzero(changes[:, key] == 1), np.flatnonzero(changes[:, key] == -1)
        yield from ((LOWEST_NOTE + int(key), int(a), int(b)) for a, b in zip(starts, ends, strict=True))


def _score(roll: Roll, step_seconds: float) -> pretty_midi.PrettyMIDI:
    piano = pretty_midi.Instrument(PIANO)
    piano.notes = [pretty_midi.Note(VELOCITY, key, a * step_seconds, b * step_seconds) for key, a, b in notes(roll)]
    score = pretty_midi.PrettyMIDI()
    score.instruments.append(piano)
    return score


def _wave(phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """A tone with the first harmonics of a struck string, at most 1."""
    weights = (1.0, 0.4, 0.2, 0.1)
    tones = [weight * np.sin((n + 1) * phase) for n, weight in enumerate(weights)]
    total: NDArray[np.float64] = np.sum(tones, axis=0) / sum(weights)
    return total
