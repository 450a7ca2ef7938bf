"""Results are removed only by someone who was told what they cost."""

from pathlib import Path

import pytest

from lnf.app import cleaning
from lnf.app.command_line import main
from lnf.plan import config
from lnf.plan.results import Plan
from lnf.system.files import write_json


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the results of two configurations."""
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "other"):
        for place in cleaning.PLACES:
            Path(place, name).mkdir(parents=True)
        for seed in range(2):
            write_json(Path("results", name, "markov", "lstm", str(seed), "d1", "run.json"), {"wall_seconds": 5400.0})
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
    assert main(["remove", "mine"]) == 0
    assert asked == ["lnf: 2 trained runs of mine, 3 hours of training, will be lost. Remove? [y/N] "]
    assert left(project, "mine") == 4
    answer(monkeypatch, "y")
    assert main(["remove", "mine"]) == 0
    assert (left(project, "mine"), left(project, "other")) == (0, 4)
    assert main(["remove", "other", "--yes"]) == 0
    assert left(project, "other") == 0


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("mine", "lnf: nobody to ask without a terminal; give --yes\n"),
        ("demo", "lnf: remove: demo: no such results; there are mine, other\n"),
        ("../results", "lnf: remove: ../results: no such results; there are mine, other\n"),
        ("..", "lnf: remove: ..: no such results; there are mine, other\n"),
        ("", "lnf: remove: '': no such results; there are mine, other\n"),
    ],
)
def test_what_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, line: str
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert main(["remove", name]) == 1
    assert capsys.readouterr().err == line
    assert (left(project, "mine"), left(project, "other")) == (4, 4)


def test_old_results_are_listed_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = Plan(config.named("demo")[0])
    run, prior = plan.runs[0], plan.runs[0].spec.prior.name
    kept = [
        run.folder / "model.pt",
        *run.evaluated,
        plan.checks[prior].files[0],
        plan.metrics,
        Path("results/paper/x/y/0/d/f"),
    ]
    kept += [
        Path("logs/demo", *run.folder.parts[2:-1], f"{run.digest}.train.log"),
        plan.metrics.parents[1] / "existing",
    ]
    old = [run.place / "0ld", run.folder / "evaluation-0ld.parquet", run.folder / "sequences-0ld.parquet"]
    old += [plan.checks[prior].folder.parent / "0ld", plan.metrics.parents[1] / "0ld"]
    old += [Path("logs/demo", *run.folder.parts[2:-1], "0ld.train.log")]
    for path in (*kept, *(path / "f" if path.name == "0ld" else path for path in old)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(100_000))
    asked = answer(monkeypatch, "n")
    assert main(["prune", "demo"]) == 0
    assert asked == ["lnf: 6 old results of demo, 0.6 MB, will be lost. Remove? [y/N] "]
    listed = capsys.readouterr().out.splitlines()
    assert listed == [*(f"{0.1:10.1f} MB  {path}" for path in sorted(old)), "lnf: nothing removed"]
    assert all(path.exists() for path in (*kept, *old))
    assert main(["prune", "demo", "--yes"]) == 0
    assert all(path.exists() for path in kept) and not any(path.exists() for path in old)
    capsys.readouterr()
    assert main(["prune", "demo", "--yes"]) == 0
    assert capsys.readouterr().out == "lnf: nothing removed: every result belongs to the configuration\n"
    assert main(["prune", "damo"]) == 1
    assert "config: name: no configuration 'damo' in config.yaml or workflow/configs" in capsys.readouterr().err
