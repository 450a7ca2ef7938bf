"""Samples as files: what is written is what was drawn."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pretty_midi
import pytest
import soundfile
from numpy.typing import NDArray

from lnf.report.samples.media import Script, write
from lnf.report.samples.music import notes, parts_of, write_midi
from lnf.report.samples.roll import LEFT, STEP
from lnf.report.samples.synthesis import LOUDNESS, RATE_HZ, played, tone, write_audio


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
    read = pretty_midi.PrettyMIDI(str(tmp_path / "x.mid"))
    assert [part.name for part in read.instruments] == ["Piano"]
    for note in read.instruments[0].notes:
        back[round(note.start / 0.5) : round(note.end / 0.5), note.pitch - 21] = 1
    assert (back == x).all()


def chorale() -> NDArray[np.uint8]:
    """Sixteen chords of up to four keys."""
    rng = np.random.default_rng(1)
    x = np.zeros((16, 88), np.uint8)
    for step in x:
        step[rng.choice(np.arange(20, 60), rng.integers(0, 5), replace=False)] = 1
    return x


def test_a_chorale_is_four_voices_that_do_not_cross_and_sing_all_of_it(tmp_path: Path) -> None:
    x = chorale()
    write_midi(x, 0.5, tmp_path / "x.mid")
    read = pretty_midi.PrettyMIDI(str(tmp_path / "x.mid"))
    assert [part.name for part in read.instruments] == ["Soprano", "Alto", "Tenor", "Bass"]
    sung = np.zeros((4, *x.shape), np.uint8)
    for voice, part in enumerate(read.instruments):
        for note in part.notes:
            sung[voice, round(note.start / 0.5) : round(note.end / 0.5), note.pitch - 21] += 1
    assert (sung.sum(0) == x).all() and (sung.sum(2) <= 1).all()
    for step in range(len(x)):
        pitches = [int(line[step].argmax()) for line in sung if line[step].any()]
        assert pitches == sorted(pitches, reverse=True)


def test_what_four_voices_cannot_sing_is_a_part_of_its_own_unless_that_is_most_of_it() -> None:
    chord = [(40, 0, 8), (47, 0, 8), (55, 0, 8), (64, 0, 8)]
    more = parts_of(roll(*chord, (80, 2, 3)))
    assert [(part.name, part.notes) for part in more if part.name == "More voices"] == [("More voices", [(80, 2, 3)])]
    assert [part.name for part in parts_of(roll(*chord, (80, 2, 6)))] == ["Piano"]


def test_a_voice_that_rests_is_the_one_that_is_far_from_what_sounds() -> None:
    low = parts_of(roll((40, 0, 2), (50, 0, 2)))
    assert [part.name for part in low if part.notes] == ["Tenor", "Bass"]


@pytest.mark.parametrize("step_seconds", [0.25, 0.5])
def test_a_step_is_a_quarter_note_of_four_in_a_bar(step_seconds: float, tmp_path: Path) -> None:
    write_midi(chorale(), step_seconds, tmp_path / "x.mid")
    read = pretty_midi.PrettyMIDI(str(tmp_path / "x.mid"))
    (meter,) = read.time_signature_changes
    assert (meter.numerator, meter.denominator) == (4, 4)
    ticks = {read.time_to_tick(note.start) for part in read.instruments for note in part.notes}
    assert {tick % read.resolution for tick in ticks} == {0}


def test_all_pieces_are_equally_loud_where_they_sound() -> None:
    one, four, piano = roll((60, 0, 4)), chorale(), (np.random.default_rng(2).random((9, 88)) < 0.2).astype(np.uint8)
    for x in (one, four, piano):
        sound = played(x, 0.25)
        sounding = np.repeat(x.any(axis=1), len(sound) // len(x))
        assert np.sqrt((sound[: len(sounding)][sounding] ** 2).mean()) == pytest.approx(LOUDNESS, rel=0.02)
        assert np.abs(sound).max() < 0.9


def test_a_held_voice_sounds_on_and_a_struck_key_fades() -> None:
    sung, struck = (tone(69, 2.0, struck=fades) for fades in (False, True))
    early, late = slice(RATE_HZ // 4, RATE_HZ // 2), slice(3 * RATE_HZ // 2, 7 * RATE_HZ // 4)
    assert (
        sung[late].std() == pytest.approx(sung[early].std(), rel=0.01)
        and struck[late].std() < 0.5 * struck[early].std()
    )


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
        f"samples-0{n}.{form}" for n in (0, 1) for form in ("mid", "svg", "ogg")
    ]  # fmt: skip
    picture = ElementTree.parse(tmp_path / "samples-00.svg").getroot()
    bars = [bar for bar in picture.iter() if bar.tag.endswith("}rect")]
    assert [float(bar.get("width", "")) for bar in bars] == [4 * STEP - 1] and float(bars[0].get("x", "")) == LEFT
    assert float(picture.get("data-second", "")) == STEP / 0.5
