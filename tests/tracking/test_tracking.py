"""MLflow as a mirror of run directories: idempotent, resumable, rebuilt from files, and safe when many come at once."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pytest

from lnf.system.files import read_json, write_json
from lnf.system.sealed import write_table
from lnf.tracking import mlflow_store, sync
from lnf.tracking.run_files import ARTIFACTS
from tests.patience import LIMIT_S

pytestmark = pytest.mark.e2e

LOSS = "epoch.valid_loss_nats_per_step"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # so that what MLflow's functions write there is taken back
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    return tmp_path


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database; making one takes seconds."""
    folder = tmp_path_factory.mktemp("database")
    with contextlib.chdir(folder), mlflow_store.opened():
        pass
    return folder / mlflow_store.DATABASE


@pytest.fixture
def project(fresh: Path, database: Path) -> Path:
    """A project folder with an empty database, which is the working directory."""
    shutil.copy(database, fresh)
    return fresh


def leave_run(epochs: int, status: str = "ok", seed: int = 0, code: str = "c1", scale: float = 1.0) -> Path:
    """A run directory as training leaves it, or, with status "running", as it is in the middle."""
    run = Path("results", "demo", "markov", "af_af", str(seed), code)
    facts: dict[str, Any] = {
        "name": "demo", "corpus": "markov", "prior": "af_af", "seed": seed, "label": "AF / AF", "role": "main",
        "status": status, "kind": "music", "revision": "abc", "differs_from_paper": {"model.hidden": [32, 500]},
        "digests": {"spec": "s1", "code": code, "data": "d1"}, "spec": {"seed": seed, "model": {"hidden": 32}},
        "versions": {"torch": "2.13.0+cpu"}, "started": 1000.0 + seed,
    }  # fmt: skip
    history = [{"epoch": n, "train_loss": scale / (n + 1), "valid_loss": 2.0, "train_kl": None} for n in range(epochs)]
    if status == "running":
        write_json(run / "state" / "run.json", facts)
        (run / "state" / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in history))
    else:
        shutil.rmtree(run / "state", ignore_errors=True)
        run.mkdir(parents=True, exist_ok=True)
        write_table(run / "history.parquet", pyarrow.Table.from_pylist(history))
        write_json(run / "run.json", {**facts, "ended": 1041.0 + seed})
    return run


def evaluate(run: Path, value: float) -> None:
    """The evaluation that its plan asks for, next to it, and another."""
    write_json(run / "spec.json", {"evaluation": "e1"})
    row = {"split": "test", "metric": "nll", "unit": "nats/step", "value": value, "estimator": "importance", "k": 3}
    write_table(run / "evaluation-e1.parquet", pyarrow.Table.from_pylist([row]))
    write_table(run / "evaluation-e2.parquet", pyarrow.Table.from_pylist([row | {"value": -1.0}]))


def runs(kind: str = "run") -> list[Any]:
    """The runs of a kind in the experiment, the first that was mirrored first."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=mlflow_store.store_uri())
    experiment = client.get_experiment_by_name("demo/markov")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], f"tags.`lnf.kind` = '{kind}'")
    return sorted(found, key=lambda run: (run.data.tags.get("lnf.status") != "superseded", run.info.start_time))


def curve(run: Any, key: str) -> list[tuple[int, float]]:
    """(epoch, value) of one metric of a run, as logged."""
    from mlflow import MlflowClient

    history = MlflowClient(tracking_uri=mlflow_store.store_uri()).get_metric_history(run.info.run_id, key)
    return [(point.step, point.value) for point in history]


def dumped() -> dict[str, list[float]]:
    """Run name -> its validation curve, read without MLflow, which would hold on to a deleted file."""
    query = f"select r.name, m.value from runs r join metrics m using (run_uuid) where m.key = '{LOSS}'"
    found: dict[str, list[float]] = {}
    with contextlib.closing(sqlite3.connect(mlflow_store.DATABASE)) as database:
        for name, value in database.execute(query):
            found.setdefault(name, []).append(value)
    return found


def test_a_run_that_trains_resumes_ends_and_is_evaluated_is_one_run(project: Path) -> None:
    sync.sync(leave_run(2, "running"))
    sync.sync(leave_run(2, "running"))
    (run,) = runs()
    assert (run.info.run_name, run.info.status, run.data.tags["lnf.status"]) == ("af_af/0", "RUNNING", "running")
    assert (
        run.data.params == {"prior": "af_af", "seed": "0", "model.hidden": "32"}
        and "epoch.train_kl_nats_per_step" not in run.data.metrics
    )
    folder = leave_run(3)
    evaluate(folder, 1.5)
    for _ in range(3):
        sync.sync(folder)
    (run,) = runs()
    assert curve(run, "epoch.train_loss_nats_per_step") == [(0, 1.0), (1, 1 / 2), (2, 1 / 3)]
    assert run.info.status == "FINISHED" and run.data.metrics["test.nll_nats_per_step"] == 1.5
    tags = run.data.tags
    assert (tags["lnf.label"], tags["lnf.role"], tags["lnf.revision"]) == ("AF / AF", "main", "abc")
    assert tags["lnf.key"] == "demo/markov/af_af/0 code=c1 data=d1 spec=s1"
    artifacts = project / "mlartifacts" / "demo" / "markov" / run.info.run_id / "artifacts"
    assert sorted(path.name for path in artifacts.iterdir()) == sorted(
        [*set(ARTIFACTS) - {"monitor.parquet"}, "evaluation-e1.parquet"]
    )


def test_a_curve_that_went_back_is_drawn_again(project: Path) -> None:
    sync.sync(leave_run(4, "running"))
    sync.sync(leave_run(3, "running", scale=0.5))
    (run,) = runs()
    assert curve(run, "epoch.train_loss_nats_per_step") == [(0, 0.5), (1, 0.25), (2, 0.5 / 3)]


def test_a_retrained_run_is_new_and_the_old_superseded(project: Path) -> None:
    sync.sync(leave_run(1))
    sync.sync(leave_run(2, "diverged", code="c2"))
    old, new = runs()
    assert old.data.tags["lnf.status"] == "superseded"
    assert (new.data.tags["lnf.status"], new.info.status) == ("diverged", "FAILED")


def test_of_the_runs_of_a_place_the_latest_supersedes_the_others(project: Path) -> None:
    for age, code in enumerate(("c3", "c1", "c2")):
        os.utime(leave_run(1, code=code) / "run.json", ns=(0, (10 - age) * 10**9))
    for _ in range(2):  # the second time MLflow has them all
        assert sync.sync_all("demo") == (3, 3)
    statuses = {run.data.tags["lnf.key"].split()[1]: run.data.tags["lnf.status"] for run in runs()}
    assert statuses == {"code=c3": "ok", "code=c1": "superseded", "code=c2": "superseded"}


def test_racing_first_users_do_no_harm_and_a_deleted_database_is_rebuilt(fresh: Path) -> None:
    for seed in range(2):
        evaluate(leave_run(5, seed=seed), 1.0 + seed)
    command = [
        sys.executable,
        "-c",
        "import sys; from lnf.tracking.sync import sync_all; sys.exit(sync_all('demo') != (2, 2))",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for racers in (4, 1):
        racing = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(racers)]
        errors = [process.communicate(timeout=LIMIT_S)[1] for process in racing]
        assert [process.returncode for process in racing] == [0] * racers and set(errors) == {""}
        found = dumped()
        assert len(found) == 2 and all(len(values) == 5 for values in found.values())
        for file in fresh.glob("mlflow.db*"):
            file.unlink()


def test_mlflow_away_is_one_line(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert not sync.try_sync(leave_run(1))
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("lnf: warning: MLflow: results/demo/markov/af_af/0/c1 not mirrored")


def test_the_page_shows_what_a_person_looks_for(project: Path) -> None:
    write_json(project / "data" / "meta.json", {"counts": {"train": {"sequences": 7}}, "vocabulary": ["a", "b"]})
    run = leave_run(2)
    evaluate(run, 1.5)
    write_json(run / "spec.json", {"evaluation": "e1", "data": str(project / "data")})
    sync.sync(run)
    (found,) = runs()
    assert (found.info.start_time, found.info.end_time) == (1_000_000, 1_041_000)
    tags = found.data.tags
    assert tags["mlflow.source.name"] == "rules/priors/af_af.smk" and tags["mlflow.source.git.commit"] == "abc"
    assert tags["mlflow.user"] and "AF / AF" in tags["mlflow.note.content"] and str(run) in tags["mlflow.note.content"]
    (data,) = found.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("markov", "d1")
    assert json.loads(data.dataset.profile) == {"train": {"sequences": 7}}
    address = read_json(run / "mlflow.json")["address"]
    assert f"/#/experiments/{found.info.experiment_id}/runs/{found.info.run_id}?" in address
    from mlflow import MlflowClient

    experiment = MlflowClient(tracking_uri=mlflow_store.store_uri()).get_experiment(found.info.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert "test.nll_nats_per_step" in experiment.tags["mlflow.sharedViewState.lnf"]


def test_a_variant_is_the_parent_of_its_seeds(project: Path) -> None:
    for seed, value in ((0, 1.0), (1, 2.0), (2, 6.0)):
        run = leave_run(1, seed=seed)
        evaluate(run, value)
        sync.sync(run)
    (parent,) = runs("variant")
    assert {run.data.tags["mlflow.parentRunId"] for run in runs()} == {parent.info.run_id}
    key = "test.nll_nats_per_step"
    metrics = parent.data.metrics
    assert (metrics["seeds"], metrics[key]) == (3, 3.0) and metrics[f"{key}_sd"] == pytest.approx(7**0.5)
    assert parent.info.run_name == "af_af" and parent.info.end_time - parent.info.start_time == 3 * 41_000
    again = leave_run(1, seed=2, code="c2")
    evaluate(again, 3.0)
    sync.sync(again)
    (parent,) = runs("variant")
    assert parent.data.metrics[key] == 2.0 and parent.info.status == "FINISHED"
    assert parent.data.params == {"prior": "af_af", "model.hidden": "32"}


def test_a_variant_whose_settings_change_has_the_new_ones_and_all_its_seeds(project: Path) -> None:
    for seed in (0, 1):
        sync.sync(leave_run(1, seed=seed))
    for seed in (0, 1):
        changed = leave_run(1, seed=seed, code="c2")
        facts = read_json(changed / "run.json")
        write_json(changed / "run.json", {**facts, "spec": {"seed": seed, "model": {"hidden": 64}}})
        sync.sync(changed)
    for _ in range(2):
        sync.sync_all("demo")
    (parent,) = runs("variant")
    assert parent.data.params == {"prior": "af_af", "model.hidden": "64"}
    live = [run for run in runs() if run.data.tags["lnf.status"] != "superseded"]
    assert [run.data.params["model.hidden"] for run in live] == ["64", "64"]
    assert {run.data.tags["mlflow.parentRunId"] for run in live} == {parent.info.run_id}


def test_steps_norms_seconds_and_memory_are_metrics_with_units(project: Path) -> None:
    run = leave_run(2)
    names = ("steps", "gradient_norm", "gradient_norm_max", "step_seconds", "memory_gib")
    rows = [{"epoch": n, **dict.fromkeys(names, 1.0 + n)} for n in range(2)]
    write_table(run / "monitor.parquet", pyarrow.Table.from_pylist(rows))
    sync.sync(run)
    found = {key: curve(runs()[0], key) for key in runs()[0].data.metrics if key.startswith("epoch.")}
    losses = {f"epoch.{split}_loss_nats_per_step" for split in ("train", "valid")}
    watched = {"steps", "gradient_norm_nats", "gradient_norm_max_nats", "seconds_per_step", "memory_gib"}
    assert set(found) == losses | {f"epoch.{name}" for name in watched}
    assert found["epoch.seconds_per_step"] == [(0, 1.0), (1, 2.0)]


def test_the_share_of_the_kl_is_seen(project: Path) -> None:
    run = leave_run(1)
    evaluate(run, 1.5)
    rows = [
        {"split": "test", "metric": metric, "unit": "bpc", "value": value}
        for metric, value in (("kl", 0.3), ("elbo", 1.2))
    ]
    write_table(run / "evaluation-e1.parquet", pyarrow.Table.from_pylist(rows))
    sync.sync(run)
    assert runs()[0].data.metrics["test.kl_share"] == pytest.approx(0.25)


def test_samples_are_artifacts_once_they_are_this_runs(project: Path) -> None:
    run = leave_run(1)
    shown = project / "reports" / "out" / "demo" / "samples" / "markov" / "af_af" / "0"
    write_json(shown / "run.json", {"digests": {"spec": "another"}})
    (shown / "samples.txt").write_text("abc\n")
    sync.sync(run)
    artifacts = project / "mlartifacts" / "demo" / "markov" / runs()[0].info.run_id / "artifacts"
    assert not (artifacts / "samples").exists()
    write_json(shown / "run.json", {"digests": read_json(run / "run.json")["digests"]})
    sync.sync(run)
    assert [path.name for path in (artifacts / "samples").iterdir()] == ["samples.txt"]


def test_a_database_is_there_whole_or_not_at_all(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies while MLflow lays out its tables leaves none: half a layout can never be finished."""
    client = mlflow_store._client

    def dies(uri: str) -> None:
        client(uri)
        raise SystemExit(1)

    monkeypatch.setattr(mlflow_store, "_client", dies)
    with pytest.raises(SystemExit), mlflow_store.opened():
        pass
    assert not mlflow_store.DATABASE.exists()
    monkeypatch.undo()
    monkeypatch.chdir(fresh)
    with mlflow_store.opened():
        pass
    assert mlflow_store.DATABASE.exists()


def test_artifacts_follow_a_project_that_was_moved(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync.sync(leave_run(1))
    moved = project.parent / "moved to"
    project.rename(moved)
    monkeypatch.chdir(moved)
    with mlflow_store.opened():
        pass
    (found,) = runs()
    assert found.info.artifact_uri.startswith((moved / "mlartifacts").as_uri())
    from mlflow import MlflowClient

    listed = MlflowClient(tracking_uri=mlflow_store.store_uri()).list_artifacts(found.info.run_id)
    assert {file.path for file in listed} == {"run.json", "history.parquet"}
    run = leave_run(2, seed=1)
    sync.sync(run)
    assert len(list((moved / "mlartifacts" / "demo" / "markov").glob("*/artifacts/run.json"))) == 2
    moved.rename(project)


def test_the_report_is_one_run(project: Path) -> None:
    out = Path("reports", "out", "demo")
    for name in ("report.html", "config.yaml", "tables/text.md", "figures/nats.png"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(name)
    for _ in range(2):
        sync.sync(out)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=mlflow_store.store_uri())
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("demo/report", "FINISHED")
    folder = project / "mlartifacts" / "demo" / run.info.run_id / "artifacts"
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "report.html", "config.yaml", "tables/text.md", "figures/nats.png",
    }  # fmt: skip


def _experiment(name: str) -> str:
    from mlflow import MlflowClient

    experiment = MlflowClient(tracking_uri=mlflow_store.store_uri()).get_experiment_by_name(name)
    assert experiment is not None
    return str(experiment.experiment_id)


def store_client() -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=mlflow_store.store_uri())


def _seeds(experiment: str) -> list[Any]:
    found = store_client().search_runs([_experiment(experiment)], "tags.`lnf.kind` = 'run'")
    return list(found)
