"""A user's own MIDI files as piano rolls, a file a sequence (`prepare.inputs`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
from numpy.typing import NDArray

from lnf.corpora.sources.base import SPLITS, RawCorpus, Sequences
from lnf.corpora.sources.splitting import Shares, named_splits
from lnf.corpora.sources.workers import map_with_progress
from lnf.errors import UserError
from lnf.kinds.piano import KEYS, LOWEST_NOTE

HIGHEST_NOTE = LOWEST_NOTE + KEYS - 1


def read(
    settings: Mapping[str, Any],
    files: Mapping[str, Path],
    *,
    steps: int = 2,
    lowest: int = 21,
    highest: int = 108,
    valid: float = 0.1,
    test: float = 0.1,
) -> RawCorpus:
    """Read the notes of all instruments but drums. A step is one of `steps` to a quarter note, whatever the tempo.

    A note sounds from the step nearest to its beginning, for one step at least. Notes below the MIDI note `lowest` or
    above `highest` are left out, and silence around a piece. `valid` and `test` are the shares of the files, if their
    names do not say the split (`splitting`). Raises UserError for a file that is no MIDI, or in which nothing sounds.
    """
    if not LOWEST_NOTE <= lowest <= highest <= HIGHEST_NOTE:
        bounds = f"{LOWEST_NOTE} <= lowest <= highest <= {HIGHEST_NOTE}"
        raise UserError(f"data: options: lowest {lowest} and highest {highest}: {bounds} would be right")
    if steps < 1:
        raise UserError(f"data: options: steps {steps}: 1 or more would be right")
    shares, named = Shares(valid, test), named_splits(files)
    asked = [(name, files[name], steps, lowest, highest) for name in sorted(files)]
    rolls = map_with_progress(_roll, asked, "midi: files read")
    splits: dict[str, Sequences] = {split: [] for split in SPLITS}
    for name, roll in zip(sorted(files), rolls, strict=True):
        splits[named.get(name) or shares.split_of(files[name].read_bytes())].append(roll)
    return RawCorpus(splits)


def _roll(asked: tuple[str, Path, int, int, int]) -> NDArray[np.uint8]:
    """One file, [T, 88]."""
    name, path, steps, lowest, highest = asked
    try:
        score = pretty_midi.PrettyMIDI(str(path))
    except Exception as problem:  # the library raises whatever a damaged file makes it stumble on
        raise UserError(f"data: {name}: not a MIDI file ({type(problem).__name__}: {problem})") from problem
    ticks = score.resolution / steps
    notes = [
        (note.pitch, round(score.time_to_tick(note.start) / ticks), round(score.time_to_tick(note.end) / ticks))
        for instrument in score.instruments if not instrument.is_drum
        for note in instrument.notes if lowest <= note.pitch <= highest
    ]  # fmt: skip
    if not notes:
        raise UserError(f"data: {name}: no note from {lowest} to {highest} sounds in it; leave it out")
    first = min(start for _, start, _ in notes)
    roll = np.zeros((max(max(end, start + 1) for _, start, end in notes) - first, KEYS), dtype=np.uint8)
    for pitch, start, end in notes:
        roll[start - first : max(end, start + 1) - first, pitch - LOWEST_NOTE] = 1
    return roll
