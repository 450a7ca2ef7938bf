"""bench/gpu_train.sh trains a run in pieces, and evaluates it when it is trained."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lnf.app.command_line import main
from lnf.plan import config
from lnf.plan.config import ROOT
from lnf.plan.results import Plan
from lnf.plan.run import Run
from lnf.system.files import write_json

OVERLAY = """
name: pieces
select: {corpora: [markov], priors: [lstm], seeds: [0]}
overrides:
  all:
    model: {hidden: 4, embedding: 4, layers: 1}
    train: {epochs: EPOCHS, optimizer: adam, learning_rate: 0.01, min_learning_rate: 0.0}
    subset: {train: 300, valid: 10, test: 10}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the script in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bench").mkdir()
    shutil.copy(ROOT / "bench" / "gpu_train.sh", tmp_path / "bench")
    return tmp_path


def planned(project: Path, epochs: int) -> Run:
    """A run of so many epochs, its corpus prepared."""
    overlay = project / "overlay.yaml"
    overlay.write_text(OVERLAY.replace("EPOCHS", str(epochs)), encoding="utf-8")
    plan = Plan(config.load(config.read([overlay])))
    corpus = plan.corpora["markov"]
    write_json(corpus.folder / "spec.json", corpus.spec)
    assert main(["prepare", str(corpus.folder / "spec.json")]) == 0
    return plan.runs[0]


def script(project: Path, seconds: int) -> "subprocess.CompletedProcess[str]":
    command = ["bash", "bench/gpu_train.sh", "lstm", "markov", "overlay.yaml"]
    variables = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "SECONDS_AT_ONCE": str(seconds)}
    return subprocess.run(command, cwd=project, env=variables, capture_output=True, encoding="utf-8", check=False)


def piece(project: Path, seconds: int) -> str:
    done = script(project, seconds)
    assert done.returncode in (0, 124), done.stderr  # 124: a busy machine had not begun when its time was over
    return done.stdout


@pytest.mark.e2e
def test_a_long_run_goes_on_from_piece_to_piece(project: Path) -> None:
    run = planned(project, 100_000)
    epochs, seconds = [0], 8
    while len(epochs) < 3:
        told = re.findall(rf"{run.folder}: (\d+) epochs done; the same command goes on", piece(project, seconds))
        done = int(told[0]) if told else epochs[-1]
        assert done >= epochs[-1]
        if done > epochs[-1]:
            epochs.append(done)
        else:  # a busy machine ended no epoch in that time
            seconds *= 2
    assert not (run.folder / "run.json").exists()


@pytest.mark.e2e
def test_a_run_that_is_trained_is_evaluated(project: Path) -> None:
    run = planned(project, 2)
    assert f"{run.folder} is trained and evaluated" in piece(project, 500)
    assert run.evaluated[0].exists()
    assert "is trained and evaluated" in piece(project, 1)


@pytest.mark.e2e
def test_a_run_that_fails_is_not_told_as_one_that_goes_on(project: Path) -> None:
    run = planned(project, 2)
    (run.data / "train.arrow").write_bytes(b"")
    done = script(project, 500)
    assert done.returncode not in (0, 124) and "train.arrow" in done.stderr
    assert "goes on" not in done.stdout and "is trained" not in done.stdout
