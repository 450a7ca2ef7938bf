"""Sequences as files: text one a line; music as MIDI, picture and audio, a file each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lnf.system.files import replacing


@dataclass(frozen=True)
class Script:
    """How a corpus' sequences are written down: its symbols (None for music), and how long a step of music lasts."""

    vocabulary: Sequence[str] | None
    step_seconds: float

    def line(self, x: NDArray[np.uint8]) -> str:
        """A text as it reads."""
        assert self.vocabulary is not None, "music has no symbols"
        return "".join(self.vocabulary[symbol] for symbol in x.tolist())


def write(folder: Path, stem: str, sequences: Sequence[NDArray[np.uint8]], script: Script) -> list[Path]:
    """Write FOLDER/STEM.txt, or FOLDER/STEM-NN.{mid,png,ogg} for each piece of music; returns the files."""
    if script.vocabulary is None:
        width = max(2, len(str(len(sequences))))
        return [path for n, roll in enumerate(sequences)
                for path in _write_music(folder / f"{stem}-{n:0{width}d}", roll, script.step_seconds)]  # fmt: skip
    path = folder / f"{stem}.txt"
    with replacing(path) as scratch:
        scratch.write_text("".join(f"{script.line(x)}\n" for x in sequences), encoding="utf-8")
    return [path]


def _write_music(base: Path, roll: NDArray[np.uint8], step_seconds: float) -> list[Path]:
    from lnf.report.samples.music import write_audio, write_midi
    from lnf.report.samples.pictures import write_picture

    writers = {".mid": write_midi, ".png": write_picture, ".ogg": write_audio}
    for ending, writer in writers.items():
        writer(roll, step_seconds, base.with_name(base.name + ending))
    return [base.with_name(base.name + ending) for ending in writers]
