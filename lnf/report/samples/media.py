"""Sequences as files: text one a line; music as MIDI, picture and audio, a file each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnf.kinds.base import kind_of
from lnf.kinds.piano import Music
from lnf.system.files import replacing


@dataclass(frozen=True)
class Script:
    """How a corpus' sequences are written down: their kind, its symbols and what is between them, and the seconds of a
    step of music.
    """

    kind: str
    vocabulary: Sequence[str] | None
    separator: str
    step_seconds: float

    @property
    def is_music(self) -> bool:
        """Whether sequences become pieces of music, not lines."""
        return isinstance(kind_of(self.kind), Music)

    def line(self, x: NDArray[Any]) -> str:
        """A sequence as it reads."""
        return kind_of(self.kind).line(x, self.vocabulary, self.separator)


MUSIC = (".mid", ".svg", ".ogg")
"""Endings of a piece of music: to be played on, to be seen, to be heard."""


def write(
    folder: Path,
    stem: str,
    sequences: Sequence[NDArray[np.integer[Any]]],
    script: Script,
    forms: Sequence[str] = MUSIC,
) -> list[Path]:
    """Write FOLDER/STEM.txt, or FOLDER/STEM-NN of each piece of music in the given forms; returns the files."""
    if script.is_music:
        width = max(2, len(str(len(sequences))))
        return [
            write_music(folder / f"{stem}-{n:0{width}d}{form}", roll, script.step_seconds)
            for n, roll in enumerate(sequences)
            for form in forms
        ]
    path = folder / f"{stem}.txt"
    with replacing(path) as scratch:
        scratch.write_text("".join(f"{script.line(x)}\n" for x in sequences), encoding="utf-8")
    return [path]


def write_music(path: Path, roll: NDArray[np.integer[Any]], step_seconds: float) -> Path:
    """Write a piece in the form that the path's ending names; returns the path."""
    from lnf.report.samples import music, synthesis
    from lnf.report.samples import roll as pictures

    writers = dict(zip(MUSIC, (music.write_midi, pictures.write_picture, synthesis.write_audio), strict=True))
    writers[path.suffix](roll, step_seconds, path)
    return path
