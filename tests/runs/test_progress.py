"""Progress lines: one in ten seconds, whatever comes; every epoch is told to whoever asks."""

from pathlib import Path

import pytest

from lnf.runs import progress
from lnf.runs.progress import Progress, duration, shown
from lnf.runs.resume_state import RunState
from lnf.system.files import read_json, write_json
from tests.patience import wait_for


def test_one_line_in_ten_seconds_and_every_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now, epochs = [1000.0], list[int]()
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    watched = Progress(tmp_path, "markov/lstm/0", lambda: epochs.append(len(epochs)))
    for second in range(25):
        now[0] = 1000.0 + second
        values = {"epoch": second // 5, "message": f"second {second}", "seconds_left": 100.0}
        write_json(tmp_path / "state" / "progress.json", values)
        watched.poll()
        watched.poll()
    assert capsys.readouterr().out.splitlines() == [
        f"markov/lstm/0 second {second} left 2 min" for second in (0, 10, 20)
    ]
    assert len(epochs) == 5


def test_a_process_shows_its_own_progress(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, said = RunState(tmp_path / "state", {}), list[str]()
    (tmp_path / "state").mkdir()
    with shown(tmp_path, "markov/lstm/0"):
        state.progress("evaluating", 0.25, seconds=20.0)
        wait_for(lambda: said.append(capsys.readouterr().out) or "".join(said))
        state.remove()  # as at the end of a step
    assert "".join(said) == "markov/lstm/0 evaluating left 60 s\n"


def test_time_left_is_told_once_it_is_known(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    for fraction, seconds, left in ((None, None, None), (0.0, 5.0, None), (0.5, 30.0, 30.0), (1.0, 60.0, 0.0)):
        RunState(tmp_path / "state", {}).progress("at work", fraction, seconds, epoch=1)
        told = read_json(tmp_path / "state" / "progress.json")
        assert (told.get("seconds_left"), told["message"], told["epoch"]) == (left, "at work", 1)


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (840, "14 min"), (9000, "2.5 h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
