"""`lnf new`: what it writes obeys the laws as it is, trains, and stops nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lnf.app.command_line import main
from lnf.app.new import KINDS
from lnf.corpora import store
from lnf.laws.check import require_laws
from lnf.plan import config
from lnf.plan.config import ROOT
from lnf.plan.jobs import perform
from lnf.plan.results import Plan
from lnf.plan.rule_files import read


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose rule files and configuration are ours."""
    for name in ("config.yaml", "workflow", "rules"):
        source = ROOT / name
        if source.is_file():
            (tmp_path / name).write_bytes(source.read_bytes())
    shutil.copytree(ROOT / "rules" / "priors", tmp_path / "rules" / "priors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "corpus"])
def test_what_is_written_obeys_the_laws_and_is_planned(kind: str, folder: Path) -> None:
    name = f"my_{kind}"
    assert main(["new", kind, name]) == 0
    variant = read(Path("rules", "priors", f"{name}.smk"))
    assert variant.draft and variant.prior.label == f"my {kind}"
    require_laws(Path("rules", "priors", f"{name}.smk"))
    overlays = [ROOT / "workflow" / "configs" / "demo.yaml", Path("workflow", "configs", f"{name}.yaml")]
    planned = config.plan(config.load(config.read(overlays, folder), folder))
    assert {prior for _, prior, _ in planned} == {"af_af", name}
    assert name not in {prior for _, prior, _ in config.plan(config.load(config.read((), folder), folder))}


def test_a_corpus_is_planned_once_its_files_are_there(folder: Path) -> None:
    assert main(["new", "corpus", "mine"]) == 0
    overlays = [ROOT / "workflow" / "configs" / "demo.yaml", Path("workflow", "configs", "mine.yaml")]
    planned = config.load(config.read(overlays, folder), folder)
    assert config.plan(planned) == [("mine", "lstm", 0), ("mine", "af_af", 0)]
    Path("mine").mkdir()
    Path("mine", "some.txt").write_text(
        "\n".join(f"a {n % 3} {n // 3 % 5} {n // 15}" for n in range(300)), encoding="utf-8"
    )
    (corpus,) = Plan(planned).corpora.values()
    perform("prepare", corpus.spec, corpus.folder)
    assert store.read_meta(corpus.folder)["unit"] == "bits/symbol"


@pytest.mark.processes
@pytest.mark.parametrize("kind", ["transform", "corpus"])
def test_its_test_runs(kind: str, folder: Path) -> None:
    assert main(["new", kind, "mine"]) == 0
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "ideas/test_mine.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "said"), [("My", "lower-case letters"), ("class", "no keyword"), ("af_af", "af_af.smk is there already")]
)
def test_a_name_that_cannot_be_is_refused_before_anything_is_written(
    folder: Path, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "time", name]) == 1
    assert said in capsys.readouterr().err and not Path("ideas").exists()


def test_it_is_for_the_folder_of_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "time", "mine"]) == 1
    assert "has no rules/priors" in capsys.readouterr().err and not list(tmp_path.iterdir())
