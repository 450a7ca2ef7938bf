"""Samples as files: what is written is what was drawn."""

from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import soundfile
from numpy.typing import NDArray
from PIL import Image

from lnf.report.samples.media import Script, write
from lnf.report.samples.music import RATE_HZ, notes, write_audio, write_midi


def roll(*held: tuple[int, int, int], steps: int = 8) -> NDArray[np.uint8]:
    """A roll with the given (MIDI note, first step, step after the last)."""
    x = np.zeros((steps, 88), np.uint8)
    for note, first, after in held:
        x[first:after, note - 21] = 1
    return x


def test_texts_are_written_one_a_line(tmp_path: Path) -> None:
    texts = [np.array(ids, np.uint8) for ids in ([0, 1, 2], [2], [1, 1])]
    assert write(tmp_path, "samples", texts, Script("text", ["a", " ", "é"], "", 0.5)) == [tmp_path / "samples.txt"]
    assert (tmp_path / "samples.txt").read_bytes().decode("utf-8") == "a é\né\n  \n"


def test_a_key_that_sounds_on_is_one_note() -> None:
    assert list(notes(roll((21, 0, 8), (60, 1, 3), (60, 4, 5), (108, 7, 8)))) == [
        (21, 0, 8), (60, 1, 3), (60, 4, 5), (108, 7, 8),
    ]  # fmt: skip


def test_midi_gives_the_roll_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = (rng.random((16, 88)) < 0.1).astype(np.uint8)
    write_midi(x, 0.5, tmp_path / "x.mid")
    back = np.zeros_like(x)
    for note in pretty_midi.PrettyMIDI(str(tmp_path / "x.mid")).instruments[0].notes:
        back[round(note.start / 0.5) : round(note.end / 0.5), note.pitch - 21] = 1
    assert (back == x).all()


@pytest.mark.parametrize("held", [[(69, 0, 4)], []], ids=["a note", "silence"])
def test_audio_lasts_as_long_as_the_music_and_sounds_at_its_pitch(
    tmp_path: Path, held: list[tuple[int, int, int]]
) -> None:
    write_audio(roll(*held), 0.25, tmp_path / "x.ogg")
    sound, rate = soundfile.read(tmp_path / "x.ogg")
    assert (rate, len(sound)) == (RATE_HZ, round(8 * 0.25 * RATE_HZ))
    loud = np.abs(np.fft.rfft(sound[: rate // 2]))
    if held:
        assert abs(loud.argmax() * 2 - 440) <= 4
    else:
        assert np.abs(sound).max() < 1e-3


def test_each_piece_gets_midi_picture_and_audio(tmp_path: Path) -> None:
    written = write(tmp_path, "samples", [roll((60, 0, 4)), roll(steps=1)], Script("music", None, "", 0.5))
    assert [path.name for path in written] == [
        f"samples-0{n}.{form}" for n in (0, 1) for form in ("mid", "png", "ogg")
    ]  # fmt: skip
    with Image.open(tmp_path / "samples-00.png") as picture:
        assert picture.width > 500
