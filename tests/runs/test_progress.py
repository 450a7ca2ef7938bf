"""Progress lines: one in ten seconds, whatever comes; every epoch is told to whoever asks."""

from pathlib import Path

import pytest

from lnf.runs import progress
from lnf.runs.progress import Progress, duration
from lnf.system.files import write_json


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


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (840, "14 min"), (9000, "2.5 h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
