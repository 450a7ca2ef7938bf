"""Whatever is killed, the same command goes on, and ends in the same bytes."""

import os
import signal
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import psutil
import pytest

from lnf.app import workflow_lock
from lnf.system.locks import holder
from tests.end_to_end.mirrored import mirrored
from tests.patience import LIMIT_S, finish, wait_for
from tests.pipeline import Project

pytestmark = pytest.mark.e2e

PRIORS = ("lstm", "paced")
SETTINGS = {
    "select__priors": list(PRIORS),
    "overrides__priors": {"lstm": {"train": {"learning_rate": 2.0}},
                          "paced": {"train": {"epochs": 30, "elbo_samples": 2, "kl_ramp_epochs": 3}}},
}  # fmt: skip
PACED = """
import time
from pathlib import Path

import torch

from lnf.flows.transforms import NLSq


class Paced(NLSq):
    @staticmethod
    def to_noise(y, raw):
        if y.dtype == torch.float32 and Path("slowly").exists():  # the check is in float64, and need not wait
            time.sleep(0.1)
        return NLSq.to_noise(y, raw)
"""
"""A transform that takes its time while there is a file `slowly`: however busy the machine, the run can be killed."""


def paced_project(folder: Path) -> Project:
    """A project with a variant of that transform."""
    project = Project(folder)
    (folder / "paced.py").write_text(PACED, encoding="utf-8")
    rule = 'prior("paced", label="Paced", time="af", hidden="scf", transform="paced.Paced")\n'
    (folder / "rules" / "priors" / "paced.smk").write_text(rule, encoding="utf-8")
    project.overlay(**SETTINGS)
    return project


@pytest.fixture
def projects(tmp_path: Path) -> Iterator[tuple[Project, Project]]:
    """One to be disturbed, which goes slowly, and one that is left alone."""
    found = paced_project(tmp_path / "disturbed"), paced_project(tmp_path / "undisturbed")
    (found[0].folder / "slowly").touch()
    yield found
    for project in found:
        project.close()


def test_whatever_is_killed_the_same_command_goes_on_to_the_same_bytes(projects: tuple[Project, Project]) -> None:
    disturbed, undisturbed = projects
    first = disturbed.workflow(**SETTINGS)
    wait_for_more_epochs(disturbed, 2, first)
    trained = made(disturbed)
    os.killpg(first.pid, signal.SIGINT)
    out, _ = first.communicate(timeout=LIMIT_S)
    seen = disturbed.epochs("paced")
    assert first.returncode == 130 and "lnf: interrupted; the same command goes on" in out
    assert "Traceback" not in out and "RuleException" not in out and " failed" not in out

    second = disturbed.workflow(**SETTINGS)
    wait_for_more_epochs(disturbed, seen + 2, second)
    trained |= made(disturbed)
    assert min(told_epochs(disturbed), default=seen + 1) > seen
    owner = holder(disturbed.folder / workflow_lock.LOCK)
    assert owner is not None
    os.kill(int(owner.identity.partition(":")[0]), signal.SIGKILL)
    out, _ = second.communicate(timeout=LIMIT_S)
    assert second.returncode == 128 + signal.SIGKILL
    wait_for(lambda: disturbed.worker("train") is None)
    seen = disturbed.epochs("paced")

    third = disturbed.workflow(**SETTINGS)
    wait_for_more_epochs(disturbed, seen + 2, third)
    assert min(told_epochs(disturbed), default=seen + 1) > seen
    seen, begun = disturbed.epochs("paced"), disturbed.worker("train")
    assert begun is not None
    (worker,) = [parent for parent in psutil.Process(begun).parents() if parent.name().startswith("ray::")]
    worker.kill()
    wait_for(lambda: disturbed.worker("train") not in (None, begun), third)
    wait_for_more_epochs(disturbed, seen + 2, third)
    raylet = disturbed.part("raylet")
    assert raylet is not None
    os.kill(raylet, signal.SIGKILL)
    (disturbed.folder / "slowly").unlink()
    trained |= made(disturbed)
    out = finish(third)
    assert "the last workflow here was killed; unlocking" in out and "lnf: tiny: 2 runs: 2 ok" in out
    assert "train corpus=markov" in out and "its worker died" in out and "starting it again" in out
    assert "Ray was lost (a process of the local Ray ended); starting it again, and 1 jobs with it" in out

    finish(undisturbed.without("ray", "mlflow").workflow(**SETTINGS))
    assert trained and {name: disturbed.identities("lstm")[name] for name in trained} == trained
    for prior, file in product(PRIORS, ("history.parquet", "evaluation")):
        assert disturbed.result(prior, file).read_bytes() == undisturbed.result(prior, file).read_bytes()
    wait_for(lambda: not disturbed.processes())
    assert {name: run.curve for name, run in mirrored(disturbed).items()} == {
        f"{prior}/0": list(range(len(disturbed.rows(prior, "history.parquet")))) for prior in PRIORS
    }


def made(project: Project) -> dict[str, tuple[int, int]]:
    """What the LSTM's run has left so far, which no kill of anything may change."""
    if not project.result("lstm").exists():
        return {}
    files = project.identities("lstm")
    return {name: files[name] for name in ("model.pt", "history.parquet", "run.json") if name in files}


def wait_for_more_epochs(project: Project, epochs: int, process: Any) -> None:
    """Wait until the flow's run has `epochs` epochs behind it and a worker is at it."""
    wait_for(lambda: project.worker("train") is not None and project.epochs("paced") >= epochs, process)


def told_epochs(project: Project) -> list[int]:
    """The epochs that the flow's training tells of; one that began again would tell of its first."""
    log = project.folder / "logs" / project.run_folder("paced").relative_to(project.folder / "results")
    lines = log.with_name(f"{log.name}.train.log").read_text(encoding="utf-8").splitlines()
    told = [line for line in lines if line.startswith("markov/paced/0 epoch ")]
    return [int(line.split()[2].partition("/")[0]) for line in told]
