"""Piano rolls as audio that a browser plays: voices sound on while they are held, keys of a piano fade, in a room.

Every piece is equally loud where it sounds, so that an original, its reconstruction and a sample compare.
"""

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from lnf.report.samples.music import PIANO, Roll, parts_of
from lnf.system.files import replacing

Sound = NDArray[np.float64]
RATE_HZ = 22050
LOUDNESS = 0.07
"""Root mean square of the samples at steps where something sounds; four voices then stay below 0.5."""
PARTIALS = 10
ATTACK_S, RELEASE_S = 0.02, 0.12
ROOM_S, WET = 0.8, 0.25
"""Until an echo is 60 dB below the sound, and how loud all echoes are."""


def write_audio(roll: Roll, step_seconds: float, path: Path) -> None:
    """An Ogg Vorbis file of a roll, one step lasting `step_seconds`; of a silent roll, silence."""
    sound = played(roll, step_seconds)
    with replacing(path) as scratch:
        soundfile.write(scratch, sound, RATE_HZ, format="OGG", subtype="VORBIS")


def played(roll: Roll, step_seconds: float) -> Sound:
    """The samples of a roll, between -1 and 1."""
    samples = max(1, round(len(roll) * step_seconds * RATE_HZ))
    sound = np.zeros(samples)
    for part in parts_of(roll):
        for pitch, first, after in part.notes:
            start = round(first * step_seconds * RATE_HZ)
            heard = tone(pitch, (after - first) * step_seconds, struck=part.program == PIANO)[: samples - start]
            sound[start : start + len(heard)] += heard
    if not roll.any():
        return sound
    sound += WET * fftconvolve(sound, _room())[:samples]
    sounding = np.repeat(roll.any(axis=1), -(-samples // len(roll)))[:samples]
    return np.asarray(np.clip(sound * LOUDNESS / np.sqrt((sound[sounding] ** 2).mean()), -1.0, 1.0))


def tone(pitch: int, seconds: float, struck: bool) -> Sound:
    """A note: partials that are weaker the higher they are; those of a struck key fade, the higher ones sooner."""
    hertz = 440.0 * 2 ** ((pitch - 69) / 12)
    time = np.arange(round((seconds + RELEASE_S) * RATE_HZ)) / RATE_HZ
    total = np.zeros(len(time))
    for n in range(1, PARTIALS + 1):
        if n * hertz < RATE_HZ / 2:
            fade = np.exp(-time * (0.7 + 0.4 * n) * np.sqrt(hertz / 440.0)) if struck else 1.0
            total += n**-1.5 * fade * np.sin(2 * np.pi * n * hertz * time)
    ends = np.clip((seconds + RELEASE_S - time) / RELEASE_S, 0.0, 1.0)
    return np.asarray(total * np.minimum(time / ATTACK_S, 1.0) * ends)


def _room() -> Sound:
    """The echoes of a room: noise, the same every time, that fades."""
    time = np.arange(round(ROOM_S * RATE_HZ)) / RATE_HZ
    echoes = np.random.default_rng(0).standard_normal(len(time)) * np.exp(-6.9 * time / ROOM_S)
    return np.asarray(echoes / np.sqrt((echoes**2).sum()))
