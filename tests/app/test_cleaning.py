"""Results are removed only by someone who was told what they cost."""

from pathlib import Path

import pytest

from lnf.app import cleaning
from lnf.app.command_line import main
from lnf.system.files import write_json


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the results of two configurations."""
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "other"):
        for place in cleaning.PLACES:
            Path(place, name).mkdir(parents=True)
        for seed in range(2):
            write_json(Path("results", name, "markov", "lstm", str(seed), "run.json"), {"wall_seconds": 5400.0})
    return tmp_path


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> list[str]:
    """Somebody at a terminal who answers `text`; what is asked."""
    asked: list[str] = []

    def reply(question: str) -> str:
        asked.append(question)
        return text

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", reply)
    return asked


def left(project: Path, name: str) -> int:
    return sum((project / place / name).is_dir() for place in cleaning.PLACES)


def test_results_are_removed_after_a_yes_that_knows_the_cost(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch, "n")
    assert main(["clean-results", "mine"]) == 0
    assert asked == ["lnf: 2 trained runs of mine, 3 hours of training, will be lost. Remove? [y/N] "]
    assert left(project, "mine") == 4
    answer(monkeypatch, "y")
    assert main(["clean-results", "mine"]) == 0
    assert (left(project, "mine"), left(project, "other")) == (0, 4)
    assert main(["clean-results", "other", "--yes"]) == 0
    assert left(project, "other") == 0


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("mine", "lnf: clean-results: nobody to ask without a terminal; give --yes\n"),
        ("demo", "lnf: clean-results: demo: no such results; there are mine, other\n"),
        ("../results", "lnf: clean-results: ../results: no such results; there are mine, other\n"),
        ("..", "lnf: clean-results: ..: no such results; there are mine, other\n"),
        ("", "lnf: clean-results: '': no such results; there are mine, other\n"),
    ],
)
def test_what_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, line: str
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert main(["clean-results", name]) == 1
    assert capsys.readouterr().err == line
    assert (left(project, "mine"), left(project, "other")) == (4, 4)
