"""A small plan in a project of its own, whose runs are there, for tests of what is kept of it."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from lnf.plan.config import ROOT, Config
from lnf.plan.jobs import Job, perform
from lnf.plan.results import Plan
from lnf.plan.run import Run
from lnf.plan.stages import FIGURE_FORMS
from lnf.report.figures import comparison
from lnf.runs.keeper import Keeper
from lnf.system.files import read_json, write_json
from tests.report.fabricated import finish, plan_of

DRAW = comparison.draw
FOLDER = Path("reports", "measured", "small")


def commit(folder: Path) -> str:
    """The revision of a new commit of a folder."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "sources"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    asked = ["git", "rev-parse", "HEAD"]
    return subprocess.run(asked, cwd=folder, check=True, capture_output=True, encoding="utf-8").stdout.strip()


def noted(corpora: object, published: object, folder: Path, forms: Sequence[str] = FIGURE_FORMS) -> None:
    """In place of the figure, which takes a second: what it shows."""
    folder.mkdir(parents=True, exist_ok=True)
    for form in forms:
        text = "model\n" if form == "csv" else repr((corpora, published))
        (folder / f"results.{form}").write_text(text, encoding="utf-8")


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan in a project of its own, whose runs are there; what is kept of it gets notes for figures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(comparison, "draw", noted)
    (tmp_path / "README.md").write_text("before\n<!-- measured -->\nold\n<!-- /measured -->\nafter\n", encoding="utf-8")
    made = plan_of(toy=None, speed=None, select={"corpora": ["markov"], "priors": ["lstm", "af_af"], "seeds": [0, 1]})
    copied = [f"reports/{name}" for name in ("paper.csv", "claims.csv", "literature.csv", "captions", "templates")]
    for name in [*copied, "config.yaml"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    plan = Plan(Config(made.config.values, made.config.variants, tmp_path))
    finish(plan, commit(tmp_path))
    return plan


def cut_short(run: Run, epochs: int) -> None:
    """A finished run as if it had been killed."""
    facts = read_json(run.folder / "run.json")
    del facts["epochs"]  # which only a run that ended says
    shutil.rmtree(run.folder)
    keeper = Keeper(run.folder, facts["digests"])
    keeper.folder.mkdir(parents=True)
    write_json(keeper.folder / "run.json", {**facts, "status": "running"})
    history = [{"epoch": epoch} for epoch in range(epochs)]
    keeper.write(
        {"model": {"weight": torch.zeros(1)}, "epoch": epochs, "seconds": 72.0, "history": history}, "epoch.pt"
    )


def made(*jobs: Job) -> None:
    for job in jobs:
        perform(job.stage.name, job.spec, job.folder)
