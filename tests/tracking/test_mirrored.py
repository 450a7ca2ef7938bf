"""What a sync finds missing in MLflow itself, it brings back: nothing counts as mirrored that is not there."""

import os
import shutil
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import pandas
import pytest

from lnf.app.command_line import main
from lnf.plan.config import ROOT
from lnf.runs.training import train_run
from lnf.system.files import write_json
from lnf.tracking import mlflow_store, sync
from tests.specs import tiny_spec
from tests.tiny_corpus import context, prepared
from tests.tracking.test_tracking import (
    _experiment,
    _seeds,
    database,
    evaluate,
    fresh,
    leave_run,
    project,
    runs,
    store_client,
)

__all__ = ["database", "fresh", "project"]

pytestmark = pytest.mark.e2e


def artifacts(project: Path, run: Any) -> set[str]:
    folder = project / "mlartifacts" / "demo" / "markov" / run.info.run_id / "artifacts"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_a_variants_run_that_was_deleted_is_made_again_above_its_seeds(project: Path) -> None:
    folders = [leave_run(1, seed=seed) for seed in (0, 1)]
    for folder in folders:
        evaluate(folder, 1.5)
        sync.sync(folder)
    (parent,) = runs("variant")
    store_client().delete_run(parent.info.run_id)
    for folder in folders:
        sync.sync(folder)
    (again,) = runs("variant")
    assert {run.data.tags["mlflow.parentRunId"] for run in runs()} == {again.info.run_id} != {parent.info.run_id}
    assert again.data.metrics["seeds"] == 2 and again.data.metrics["test.nll_nats_per_step"] == 1.5


def test_artifacts_that_were_removed_are_logged_again(project: Path) -> None:
    folder = leave_run(1)
    evaluate(folder, 1.5)
    sync.sync(folder)
    (run,) = runs()
    names = artifacts(project, run)
    shutil.rmtree(project / "mlartifacts")
    sync.sync(folder)
    assert artifacts(project, run) == names and len(names) > 2
    next((project / "mlartifacts").rglob("evaluation-e1.parquet")).unlink()
    sync.sync(folder)
    assert artifacts(project, run) == names


def test_a_seed_counts_once_after_an_experiment_was_restored(project: Path) -> None:
    """Restoring an experiment restores the runs in it that were deleted."""
    folder = leave_run(1)
    evaluate(folder, 1.5)
    sync.sync(folder)
    (run,) = runs()
    store_client().delete_run(run.info.run_id)
    sync.sync(folder)
    experiment = _experiment("demo/markov")
    store_client().delete_experiment(experiment)
    store_client().restore_experiment(experiment)
    store_client().restore_run(run.info.run_id)
    assert len(runs()) == 2
    sync.sync(leave_run(1, seed=1))
    sync.sync(folder)
    assert sorted(run.data.tags["lnf.status"] for run in runs()) == ["ok", "ok", "superseded"]
    (parent,) = runs("variant")
    assert parent.data.metrics["seeds"] == 1


def test_a_run_whose_evaluation_failed_says_so(project: Path) -> None:
    folder = leave_run(1)
    write_json(folder / "state" / "error.json", {"error": "UserError", "message": "no"})
    sync.sync(folder)
    (run,) = runs()
    assert (run.info.status, run.data.tags["lnf.status"]) == ("FAILED", "error")
    shutil.rmtree(folder / "state")
    evaluate(folder, 1.5)
    sync.sync(folder)
    (run,) = runs()
    assert (run.info.status, run.data.tags["lnf.status"]) == ("FINISHED", "ok")


def test_a_run_that_goes_on_after_an_error_is_running_again(project: Path) -> None:
    folder = leave_run(1, "running")
    write_json(folder / "state" / "error.json", {"error": "OSError", "message": "no space"})
    sync.sync(folder)
    assert runs()[0].info.status == "FAILED"
    (folder / "state" / "error.json").unlink()
    sync.sync(folder)
    assert runs()[0].info.status == "RUNNING"


def test_an_empty_address_is_none(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    sync.sync(leave_run(1))
    (run,) = runs()
    assert "run.json" in artifacts(project, run) and not (project / "mlruns").exists()


def test_sync_fails_if_something_is_missing_afterwards(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = leave_run(1)
    leave_run(1, seed=1)
    (broken / "history.parquet").write_bytes(b"damaged")
    assert main(["sync", "demo"]) == 1
    assert "sync: MLflow lacks 1 runs or reports of demo; type the same command again" in capsys.readouterr().err
    leave_run(1)
    assert main(["sync", "demo"]) == 0
    assert "2 of 2 runs and reports of demo mirrored to MLflow" in capsys.readouterr().out


def test_no_password_is_printed_or_stored(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    leave_run(1)
    assert main(["sync", "demo"]) == 1 and main(["ui"]) == 1
    said = capfd.readouterr()
    assert "127.0.0.1:9" in said.err and "secret" not in said.out + said.err
    kept = [path for path in project.rglob("*") if path.is_file() and b"user:secret" in path.read_bytes()]
    assert kept == []


ODD = """a!"#$%&'()*+,-.:;<=>?@[]^_`{|}~ \\é%41"""
SYNC = """
from pathlib import Path
from lnf.tracking import sync
from lnf.tracking import mlflow_store
from tests.tracking.test_tracking import leave_run, runs
sync.sync(leave_run(1))
(run,) = runs()
artifacts = list(Path("mlartifacts").rglob("run.json"))
assert len(artifacts) == 1, artifacts
"""


@pytest.mark.parametrize("quote", ["'", '"'])
def test_every_character_that_a_path_may_hold(tmp_path: Path, quote: str) -> None:
    """All that is written is below the project. MLflow itself cannot have both kinds of quotes in one path."""
    odd = tmp_path / ODD.replace(quote, "")
    odd.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        [sys.executable, "-c", SYNC], cwd=odd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert {path.name for path in odd.iterdir()} == {".lnf", "mlflow.db", "mlartifacts", "results"}
    assert list(tmp_path.iterdir()) == [odd]


def logged_model(project: Path, prior: str, **parts: str) -> str:
    """The address of the model that is logged for a small run."""
    import mlflow

    corpus, spec = prepared(project), tiny_spec(prior)
    spec = spec.replace(prior=spec.prior.replace(**parts))
    run = Path("results", "test", "tiny", prior, "0", "d")
    train_run(spec, corpus, run, context(spec))
    write_json(run / "spec.json", {"data": str(corpus)})
    sync.sync(run)
    assert len(_seeds("test/tiny")) == 1
    mlflow.set_tracking_uri(mlflow_store.store_uri())
    (logged,) = mlflow.search_logged_models(output_format="list", experiment_ids=[_experiment("test/tiny")])
    return str(mlflow.artifacts.download_artifacts(logged.model_uri))


def test_predict_takes_a_seed_and_a_temperature(project: Path) -> None:
    import mlflow

    folder = logged_model(project, "lstm")
    with warnings.catch_warnings(action="ignore"):  # of MLflow's own modules, about themselves
        model = mlflow.pyfunc.load_model(folder)
    lengths = pandas.DataFrame({"length": [8] * 20})
    first = model.predict(lengths)
    assert model.predict(lengths, params={"seed": 0}) == first
    assert model.predict(lengths, params={"seed": 1}) != first
    greedy = model.predict(lengths, params={"greedy": True, "temperature": 1.0})
    assert len(set(greedy)) == 1
    assert model.predict(lengths, params={"temperature": 0.01}) != first


LOAD = """
import sys
import mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
print(len(model.predict(pandas.DataFrame({"length": [3]}))[0]))
"""


def test_a_model_with_a_users_own_class_is_loaded_elsewhere(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = "SCALE = 1.0\n"
    flow = """
        from lnf.flows.transforms import Affine
        from my_helper import SCALE

        class Mine(Affine):
            scale = SCALE
    """
    (project / "my_flow.py").write_text(textwrap.dedent(flow), encoding="utf-8")
    (project / "my_helper.py").write_text(helper, encoding="utf-8")
    monkeypatch.syspath_prepend(project)
    folder = logged_model(project, "af_scf", transform="my_flow.Mine")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = subprocess.run(
        [sys.executable, "-c", LOAD, folder], cwd=elsewhere, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "3"
