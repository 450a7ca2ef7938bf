"""Progress of a run: what it last said, and an estimate that leaves out what came before its first report."""

import threading
from pathlib import Path

import pytest

from lnf.runs import progress
from lnf.runs.progress import Progress, ProgressFile, duration, shown
from lnf.system.files import read_json, write_json
from tests.patience import wait_for


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be changed."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_the_start_does_not_count(tmp_path: Path, now: list[float]) -> None:
    """Imports and compilation last 60 s, each of 10 parts 2 s; evaluation, which follows, has a pace of its own."""
    watched = Progress(tmp_path)
    now[0] += 60.0
    for part in range(1, 11):
        now[0] += 2.0
        write_json(tmp_path / "state" / "progress.json", {"message": f"part {part}", "fraction": part / 10})
        assert watched.poll() and not watched.poll()
        left = None if part == 1 else pytest.approx(2.0 * (10 - part))
        assert (watched.message, watched.seconds_left) == (f"part {part}", left)
    for message, fraction, left in (("batch 1", 0.25, None), ("batch 2", 0.5, 10.0), ("drawing samples", None, None)):
        now[0] += 5.0
        write_json(tmp_path / "state" / "progress.json", {"message": message, "fraction": fraction})
        assert watched.poll() and watched.seconds_left == (None if left is None else pytest.approx(left))


def test_one_line_in_ten_seconds(
    tmp_path: Path, now: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "TICK_S", 0.001)
    polls, ended = [0], threading.Event()
    poll = Progress.poll

    def tell_and_poll(watched: Progress) -> bool:
        polls[0] += 1
        if polls[0] > 25:
            ended.set()
            return False
        now[0] = 1000.0 + polls[0]
        values = {"message": f"second {polls[0]}", "fraction": polls[0] / 100}
        write_json(tmp_path / "state" / "progress.json", values)
        return poll(watched)

    monkeypatch.setattr(Progress, "poll", tell_and_poll)
    with shown(tmp_path, "markov/lstm/0"):
        wait_for(ended.is_set)
    assert capsys.readouterr().out.splitlines() == [
        "markov/lstm/0 second 1", "markov/lstm/0 second 11 left 89 s", "markov/lstm/0 second 21 left 79 s",
    ]  # fmt: skip


def test_what_was_reported_last_is_shown_when_ten_seconds_have_passed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long step that reports once, right after another, is named while it lasts."""
    monkeypatch.setattr(progress, "TICK_S", 0.001)
    monkeypatch.setattr(progress, "EVERY_S", 0.2)
    file, said = ProgressFile(tmp_path), list[str]()
    (tmp_path / "state").mkdir()
    with shown(tmp_path, "markov/lstm/0"):
        file.write("evaluating", None, at_once=True)
        wait_for(lambda: said.append(capsys.readouterr().out) or "".join(said))
        file.write("drawing samples", None, at_once=True)
        wait_for(lambda: said.append(capsys.readouterr().out) or len("".join(said).splitlines()) == 2)
    assert "".join(said) == "markov/lstm/0 evaluating\nmarkov/lstm/0 drawing samples\n"


def test_a_process_shows_its_own_progress(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, said = ProgressFile(tmp_path), list[str]()
    (tmp_path / "state").mkdir()
    with shown(tmp_path, "markov/lstm/0"):
        file.write("evaluating", 0.25)
        wait_for(lambda: said.append(capsys.readouterr().out) or "".join(said))
        file.remove()  # as at the end of a step
    assert "".join(said) == "markov/lstm/0 evaluating\n"


def test_time_left_is_told_once_it_is_known(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    for fraction, seconds, left in ((None, None, None), (0.0, 5.0, None), (0.5, 30.0, 30.0), (1.0, 60.0, 0.0)):
        ProgressFile(tmp_path).write("at work", fraction, seconds, epoch=1)
        told = read_json(tmp_path / "state" / "progress.json")
        assert (told.get("seconds_left"), told["message"], told["epoch"]) == (left, "at work", 1)


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (840, "14 min"), (9000, "2.5 h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
