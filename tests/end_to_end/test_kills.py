"""Whatever is killed, the same command goes on, and ends in the same bytes."""

import os
import signal
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from lnf.cluster.head import MARK
from lnf.system.files import read_json
from lnf.system.processes import marked
from tests.end_to_end.mirrored import mirrored
from tests.patience import LIMIT_S, wait_for
from tests.pipeline import PRIORS, Project, kill_part

pytestmark = pytest.mark.e2e


@pytest.fixture
def disturbed(tmp_path: Path) -> Iterator[Project]:
    """A project with nothing done yet."""
    project = Project(tmp_path)
    yield project
    project.close()


def test_whatever_is_killed_the_same_command_goes_on_to_the_same_bytes(finished: Project, disturbed: Project) -> None:
    disturbed.overlay()
    first = disturbed.workflow()
    marks = wait_for_more_epochs(disturbed, 2, first)
    trained = made(disturbed)
    os.killpg(first.pid, signal.SIGINT)
    out, _ = first.communicate(timeout=LIMIT_S)
    seen = disturbed.epochs("af_scf")
    assert first.returncode == 130 and "lnf: interrupted; the same command goes on" in out
    assert "Traceback" not in out and "RuleException" not in out

    second = disturbed.workflow()
    marks |= wait_for_more_epochs(disturbed, seen + 2, second)
    trained |= made(disturbed)
    owner = read_json(disturbed.folder / ".lnf" / "workflow.json")["owner"]
    os.kill(int(owner.partition(":")[0]), signal.SIGKILL)
    out, _ = second.communicate(timeout=LIMIT_S)
    assert second.returncode == 128 + signal.SIGKILL
    assert all(epoch > seen for epoch in told_epochs(out))
    seen = disturbed.epochs("af_scf")

    third = disturbed.workflow()
    marks |= wait_for_more_epochs(disturbed, seen + 2, third)
    worker = read_json(disturbed.result("af_scf", "state/worker.train.json"))["pid"]
    os.kill(worker, signal.SIGKILL)
    at_start, seen = seen, disturbed.epochs("af_scf")
    marks |= wait_for_more_epochs(disturbed, seen + 2, third)
    (mark,) = [mark for mark in marks if any("raylet/raylet" in " ".join(p.cmdline()) for p in marked(MARK, mark))]
    kill_part(mark, "raylet/raylet")
    wait_for(lambda: not marked(MARK, mark), third)
    trained |= made(disturbed)
    out, _ = third.communicate(timeout=LIMIT_S)
    assert third.returncode == 0, out
    assert "the last workflow here was killed; unlocking" in out and "the Ray head died; going on" in out
    assert told_epochs(out) and min(told_epochs(out)) > at_start and "lnf: tiny: 2 runs: 2 ok" in out

    assert trained and {name: disturbed.identities("lstm")[name] for name in trained} == trained
    for prior, file in product(PRIORS, ("history.parquet", "evaluation")):
        assert disturbed.result(prior, file).read_bytes() == finished.result(prior, file).read_bytes()
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


def wait_for_more_epochs(project: Project, epochs: int, process: Any) -> set[str]:
    """Wait until the flow's run has `epochs` epochs behind it and a worker is at it; the marks of the heads."""
    record = project.result("af_scf", "state/worker.train.json")
    wait_for(lambda: record.exists() and project.epochs("af_scf") >= epochs, process)
    return project.marks()


def told_epochs(out: str) -> list[int]:
    """The epochs of the flow's run that a workflow tells of; a run that began anew would tell of its first."""
    lines = [line for line in out.splitlines() if line.startswith("markov/af_scf/0 epoch ")]
    return [int(line.split()[2].partition("/")[0]) for line in lines]
