"""The follower of a workflow mirrors what changes, makes good what is missing, and ends with the workflow."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lnf.system.files import read_json, write_json
from lnf.system.processes import owner_folder, process_identity
from lnf.tracking import follow
from tests.patience import wait_for
from tests.tracking.test_tracking import ROOT, curve, database, evaluate, fresh, leave_run, project, runs, store_client

__all__ = ["database", "fresh", "project"]

pytestmark = pytest.mark.e2e


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> str:
    """The identity of a workflow, which each test ends."""
    workflow = subprocess.Popen(["sleep", "3600"])
    found = process_identity(workflow.pid)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    WORKFLOWS[found] = workflow
    return found


WORKFLOWS: dict[str, "subprocess.Popen[bytes]"] = {}


def plan_of(*folders: Path) -> Path:
    """The folder of a follower whose workflow planned these runs."""
    folder = Path(".lnf", "mlflow", "test")
    write_json(folder / follow.PLANNED, {"folders": list(map(str, folders)), "models": "first"})
    return folder


def end(identity: str) -> None:
    WORKFLOWS[identity].kill()
    WORKFLOWS[identity].wait()
    wait_for(lambda: (owner_folder("mlflow", identity) / follow.STATUS).exists() and not follow.running(identity))


def test_it_follows_a_workflow_and_ends_with_it(project: Path, identity: str) -> None:
    follow.start(identity, "demo", [leave_run(2, "running")])
    wait_for(lambda: follow.running(identity))
    folder = leave_run(3)
    evaluate(folder, 1.5)
    end(identity)
    (run,) = runs()
    assert run.data.tags["lnf.status"] == "ok" and len(curve(run, "epoch.valid_loss_nats_per_step")) == 3
    assert follow.left(identity) == 0 and follow.LOG.read_text() == ""


def test_its_first_look_makes_good_what_mlflow_lost(project: Path, identity: str) -> None:
    """Of an earlier workflow, whose files did not change since."""
    folder = leave_run(1)
    evaluate(folder, 1.5)
    follower = follow._Follower("demo", plan_of(folder))
    assert follower.look() and follower.changed() == {}
    (parent,) = runs("variant")
    store_client().delete_run(parent.info.run_id)
    shutil.rmtree("mlartifacts")
    follow.start(identity, "demo", [folder])
    wait_for(lambda: follow.running(identity))
    end(identity)
    (again,) = runs("variant")
    assert again.info.run_id != parent.info.run_id and list(Path("mlartifacts").rglob("run.json"))


def test_only_what_changed_is_mirrored_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("lnf.tracking.sync.sync", lambda folder, _: synced.append(folder))
    folders = [leave_run(1, seed=seed) for seed in (0, 1)]
    follower = follow._Follower("demo", plan_of(*folders))
    assert follower.look() and synced == folders
    assert follower.look() and synced == folders
    evaluate(folders[1], 1.5)
    assert follower.look() and synced == [*folders, folders[1]]
    shown = Path("reports", "out", "demo", "samples", "markov", "af_af", "0", "run.json")
    shown.parent.mkdir(parents=True)
    shown.write_text("{}", encoding="utf-8")
    assert follower.look() and synced[-1] == folders[0] and len(synced) == 4


def test_a_run_that_cannot_be_mirrored_holds_up_no_other(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, whole = (leave_run(1, seed=seed) for seed in (0, 1))
    (broken / "history.parquet").write_bytes(b"damaged")
    follower = follow._Follower("demo", plan_of(broken, whole))
    assert not follower.look()
    assert list(follower.changed()) == [broken]
    assert read_json(Path(".lnf", "mlflow", "test", follow.STATUS))["left"] == 1
    assert [run.info.run_name for run in runs()] == ["af_af/1"] and whole.exists()


def test_the_planned_run_of_a_place_counts_whichever_was_written_last(project: Path) -> None:
    """A setting that was changed and taken back: the older run is planned again, and no seed counts twice."""
    older, newer = leave_run(1, code="c1"), leave_run(1, code="c2")
    evaluate(older, 1.0)
    evaluate(newer, 2.0)
    for planned in (older, newer, older):
        assert follow._Follower("demo", plan_of(planned)).look()
        counted = {run.data.tags["lnf.key"].split()[1] for run in runs() if run.data.tags["lnf.status"] == "ok"}
        assert counted == {f"code={planned.name}"}
        (parent,) = runs("variant")
        assert parent.data.metrics["seeds"] == 1
    assert parent.data.metrics["test.nll_nats_per_step"] == 1.0


def test_what_cannot_be_started_is_one_line_and_no_fault_of_the_workflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".lnf").write_text("a file where a folder would be right\n", encoding="utf-8")
    follow.start("1:1", "small", [])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("lnf: MLflow is not filled (") and line.endswith("type later: lnf sync small")
