"""MIDI files of a user's own: what a roll of a known score is, and what is refused."""

from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from lnf.corpora.sources import midi
from lnf.corpora.sources.base import SPLITS
from lnf.errors import UserError
from lnf.report.samples.music import write_midi

C4 = 60
HALF = 0.5
"""Seconds of a quarter note at the tempo that MIDI begins with."""


def write(path: Path, *notes: tuple[int, float, float], drum: bool = False, tempo: float = 120.0) -> None:
    """A file of (note, beginning, end), in quarter notes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    score = pretty_midi.PrettyMIDI(initial_tempo=tempo)
    piano = pretty_midi.Instrument(0, is_drum=drum)
    beat = 60 / tempo
    piano.notes = [pretty_midi.Note(80, note, start * beat, end * beat) for note, start, end in notes]
    score.instruments.append(piano)
    score.write(str(path))


def read(folder: Path, **options: object) -> dict[str, list[np.ndarray]]:
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.mid"))}
    return dict(midi.read({}, files, **options).splits)  # type: ignore[arg-type]


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """One file for each split."""
    for split in SPLITS:
        write(tmp_path / split / "a.mid", (C4, 1.0, 2.0), (C4 + 4, 1.5, 3.0), tempo=90.0)
    return tmp_path


def test_steps_are_parts_of_a_quarter_whatever_the_tempo(three: Path) -> None:
    """Silence before the first note is left out."""
    splits = read(three, steps=2)
    assert {split: len(found) for split, found in splits.items()} == dict.fromkeys(SPLITS, 1)
    (roll,) = splits["train"]
    assert [np.flatnonzero(step).tolist() for step in roll] == [[39], [39, 43], [43], [43]]
    assert len(read(three, steps=4)["test"][0]) == 8


def test_a_note_that_is_shorter_than_a_step_sounds_for_one(three: Path) -> None:
    write(three / "train" / "b.mid", (C4, 0.0, 0.1), (C4 + 1, 1.0, 1.1))
    assert [np.flatnonzero(step).tolist() for step in read(three, steps=1)["train"][1]] == [[39], [40]]


def test_a_range_leaves_notes_out(three: Path) -> None:
    assert [np.flatnonzero(step).tolist() for step in read(three, highest=C4)["valid"][0]] == [[39], [39]]
    with pytest.raises(UserError, match=r"train/a.mid: no note from 70 to 80 sounds in it|test/a.mid: no note"):
        read(three, lowest=70, highest=80)


def test_files_are_split_by_their_contents(tmp_path: Path) -> None:
    for n in range(60):
        write(tmp_path / f"{n}.mid", (40 + n % 40, 0.0, 1.0 + n))
    splits = read(tmp_path, valid=0.25, test=0.25)
    assert sum(map(len, splits.values())) == 60 and all(len(found) > 5 for found in splits.values())
    for path in tmp_path.glob("*.mid"):
        path.rename(path.with_name(f"x{path.name}"))
    again = read(tmp_path, valid=0.25, test=0.25)
    assert {split: {x.tobytes() for x in found} for split, found in splits.items()} == {
        split: {x.tobytes() for x in found} for split, found in again.items()
    }


def test_what_we_write_is_read_as_it_was(tmp_path: Path) -> None:
    """A step is a quarter note, however long it lasts."""
    rng = np.random.default_rng(0)
    rolls = {split: (rng.random((9, 88)) < 0.1).astype(np.uint8) for split in SPLITS}
    for split, roll in rolls.items():
        roll[0, 40] = roll[-1, 40] = 1
        write_midi(roll, HALF / 2, tmp_path / f"{split}.mid")
    for split, found in read(tmp_path, steps=1).items():
        assert np.array_equal(found[0], rolls[split])


def test_what_is_no_midi_is_refused(three: Path) -> None:
    (three / "train" / "a.mid").write_bytes(b"no music")
    with pytest.raises(UserError, match=r"data: train/a.mid: not a MIDI file"):
        read(three)
    write(three / "train" / "a.mid", (C4, 0.0, 1.0), drum=True)
    with pytest.raises(UserError, match=r"train/a.mid: no note"):
        read(three)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lowest": 20}, "21 <= lowest <= highest <= 108"),
        ({"lowest": 61, "highest": 60}, "lowest"),
        ({"steps": 0}, "steps 0"),
    ],
)
def test_options_that_cannot_be_are_refused(three: Path, options: dict[str, int], words: str) -> None:
    with pytest.raises(UserError, match=words):
        read(three, **options)
