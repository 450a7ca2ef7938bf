"""What cannot be told to MLflow's mirror costs a run nothing."""

from pathlib import Path

import pytest

from lnf.tracking import mirror


def test_a_note_that_cannot_be_written_is_one_line_and_no_fault_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".lnf").write_text("a file where a folder would be right\n", encoding="utf-8")
    for _ in range(3):
        mirror.request(Path("results/small"))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("lnf: MLflow is told by `lnf sync NAME`: ") and ".lnf" in line
