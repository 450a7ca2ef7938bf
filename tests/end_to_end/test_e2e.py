"""The pipeline as its user meets it, with real workers and a real database: to its end, changed, cut off, misled."""

import csv
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lnf.cluster.head import MARK
from lnf.system.files import read_json
from lnf.system.processes import marked
from tests.pipeline import Project, kill_part, wait_for

pytestmark = pytest.mark.e2e

PRIORS = ("lstm", "af_scf")
COMPARED = ("history.parquet", "evaluation.parquet")
TOO_MUCH = {"overrides__priors__lstm__resources": {"memory_gb": 50000.0}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose runs all came to their end undisturbed: the flow's first, for the LSTM's could not be placed."""
    project = Project(tmp_path_factory.mktemp("finished"))
    first = project.workflow(**TOO_MUCH)
    out, _ = first.communicate(timeout=120)
    assert first.returncode == 1
    assert_a_failure_is_told(project, out)
    flow = project.identities("af_scf")
    second = project.workflow()
    out, _ = second.communicate(timeout=120)
    assert second.returncode == 0, out
    assert "lnf: tiny: 1 runs to train, 1 to evaluate" in out and "lnf: tiny: 2 runs: 2 ok" in out
    assert project.identities("af_scf") == flow
    yield project
    project.close()


@pytest.fixture(scope="module", autouse=True)
def reference(finished: Project) -> dict[tuple[str, str], bytes]:
    """(prior, file) -> what an undisturbed run leaves."""
    return {(prior, file): finished.result(prior, file).read_bytes() for prior in PRIORS for file in COMPARED}


def assert_a_failure_is_told(project: Project, out: str) -> None:
    """One line of ours, the log, the counts, and tables of what exists; nothing of Snakemake's."""
    assert "lnf: markov/lstm/0: train: resources: no node can hold cpus 1, gpus 0, memory 5e+04 GB" in out
    assert "its log is logs/tiny/markov/lstm/0.train.log" in out
    assert "lnf: tiny: 2 runs: 1 error, 1 ok" in out and "RuleException" not in out and "Traceback" not in out
    assert {row["prior"]: row["status"] for row in table(project, "text")} == {
        "lstm": "error", "af_scf": "ok", "source": "ok", "unigram": "ok",
    }  # fmt: skip


def table(project: Project, name: str) -> list[dict[str, str]]:
    """The rows of a table."""
    path = project.folder / "reports" / "out" / "tiny" / "tables" / f"{name}.csv"
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def mirrored(project: Project) -> dict[str, Any]:
    """MLflow's runs that are not superseded, by name."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{project.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny/markov")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    found = {run.info.run_name: run for run in runs}
    assert len(found) == len(runs)
    for run in runs:
        run.curve = [point.step for point in client.get_metric_history(run.info.run_id, "valid_loss")]
        run.files = sorted(file.path for file in client.list_artifacts(run.info.run_id))
    return found


def test_every_planned_cell_is_filled_beside_source_and_unigram(finished: Project) -> None:
    rows = table(finished, "text")
    assert {row["prior"] for row in rows} == {*PRIORS, "source", "unigram"}
    assert {(row["status"], row["n"]) for row in rows if row["prior"] in PRIORS and row["mean"]} == {("ok", "1")}
    filled = {(row["prior"], row["split"], row["metric"]): float(row["mean"]) for row in rows if row["mean"]}
    exact = {"nll", "nll_given_length", "length"}
    for prior in PRIORS:
        for split in ("valid", "test"):
            metrics = {metric for p, s, metric in filled if (p, s) == (prior, split)}
            assert metrics == (exact if prior == "lstm" else exact | {"elbo", "reconstruction", "kl"})
    nll = {prior: filled[prior, "test", "nll"] for prior in ("source", "lstm", "unigram")}
    assert nll["source"] < nll["lstm"] < nll["unigram"]


def test_mlflow_holds_every_run_with_curves_params_tags_and_artifacts(finished: Project) -> None:
    runs = mirrored(finished)
    assert set(runs) == {f"{prior}/0" for prior in PRIORS}
    for prior in PRIORS:
        run, history = runs[f"{prior}/0"], finished.rows(prior, "history.parquet")
        assert (run.info.status, run.data.tags["lnf.status"]) == ("FINISHED", "ok")
        assert run.data.tags["lnf.run"] == f"tiny/markov/{prior}/0"
        assert run.data.params["train.epochs"] == str(len(history)) and run.data.params["model.hidden"] == "16"
        assert run.curve == [row["epoch"] for row in history]
        rows = finished.rows(prior, "evaluation.parquet")
        (nll,) = [row["value"] for row in rows if (row["split"], row["metric"]) == ("test", "nll")]
        assert run.data.metrics["test.nll_bpc"] == pytest.approx(nll)
        assert run.files == ["evaluation.parquet", "history.parquet", "run.json"]


def test_a_second_run_has_nothing_to_do(finished: Project) -> None:
    before = {prior: finished.identities(prior) for prior in PRIORS}
    began = time.monotonic()
    status, out = finished.run("lnf", "run", "--configfile", finished.overlay())
    assert status == 0 and time.monotonic() - began < 10
    assert out == "lnf: tiny: nothing to be done; the tables are in reports/out/tiny/tables\n"
    assert {prior: finished.identities(prior) for prior in PRIORS} == before


REPORT = {"gather": 1, "tables": 1, "all": 1}
FLOW = {"train": 1, "evaluate": 1, **REPORT}


@pytest.mark.parametrize(
    ("file", "old", "new", "changes", "jobs"),
    [
        ("lnf/hidden/coupling.py", '"""', '"""Much to say. ', {}, {}),
        ("lnf/hidden/coupling.py", "import torch\n", "import torch  # of course\n", {}, {}),
        ("lnf/hidden/coupling.py", "-0.07, 0.07", "-0.06, 0.06", {}, {"check": 1, **FLOW, "total": 6}),
        ("", "", "", {"tables__decimals": 2}, {"tables": 1, "all": 1, "total": 2}),
        ("", "", "", {"overrides__priors__lstm__train__epochs": 6}, {**FLOW, "total": 5}),
        ("", "", "", {"overrides__priors__af_scf__evaluate": {"samples": 6}}, {"evaluate": 1, **REPORT, "total": 4}),
        ("", "", "", {"overrides__all__resources": {"memory_gb": 0.6}}, {}),
        # A corpus or a law that is made anew redoes no finished run and hides no other change.
        ("lnf/laws/laws.py", "import torch\n", "import torch\n\nNEW = 1\n", {"tables__decimals": 2},
         {"tables": 1, "all": 1, "total": 2}),
        ("", "", "", {"corpora__markov__prepare__seed": 2}, {"prepare": 1, "check": 0, "train": 2, "evaluate": 2,
         **REPORT, "total": 8}),
    ],
)  # fmt: skip
def test_a_change_redoes_what_depends_on_it(
    finished: Project, file: str, old: str, new: str, changes: dict[str, Any], jobs: dict[str, int]
) -> None:
    path = finished.folder / (file or "config.yaml")
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1) if old.startswith('"""') else before.replace(old, new))
    try:
        assert finished.planned(**changes) == {rule: count for rule, count in jobs.items() if count}
    finally:
        path.write_text(before)


def test_results_count_without_snakemakes_record(finished: Project) -> None:
    """A worker may finish a moment after its client was killed, and results may come from elsewhere."""
    records = finished.folder / ".snakemake" / "metadata"
    records.rename(records.with_name("elsewhere"))
    assert finished.planned() == {}
    records.with_name("elsewhere").rename(records)


def test_a_changed_spec_trains_its_own_run_only(finished: Project) -> None:
    kept, changed = finished.identities("af_scf"), finished.identities("lstm")
    process = finished.workflow(overrides__priors__lstm__train__epochs=6)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0 and "1 runs to train, 1 to evaluate" in out
    assert finished.identities("af_scf") == kept
    assert all(changed[name] != identity for name, identity in finished.identities("lstm").items())
    assert len(finished.rows("lstm", "history.parquet")) == 6


@pytest.fixture
def disturbed(tmp_path: Path) -> Iterator[Project]:
    """A project with nothing done yet."""
    project = Project(tmp_path)
    yield project
    project.close()


def test_whatever_is_killed_the_same_command_goes_on_to_the_same_bytes(
    reference: dict[tuple[str, str], bytes], disturbed: Project
) -> None:
    first = disturbed.workflow()
    signs = [disturbed.result("lstm", file) for file in ("state/worker.evaluate.json", "evaluation.parquet")]
    wait_for(lambda: any(sign.exists() for sign in signs) and disturbed.epochs("af_scf") >= 2, 90, first)
    trained = {name: disturbed.identities("lstm")[name] for name in ("model.pt", "history.parquet", "run.json")}
    marks, seen = disturbed.marks(), disturbed.epochs("af_scf")
    os.killpg(first.pid, signal.SIGINT)
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 130 and "lnf: interrupted; the same command goes on" in out
    assert "Traceback" not in out and "RuleException" not in out

    second = disturbed.workflow()
    marks |= wait_for_more_epochs(disturbed, seen + 2, second)
    seen = disturbed.epochs("af_scf")
    owner = read_json(disturbed.folder / ".lnf" / "workflow.json")["owner"]
    os.kill(int(owner.partition(":")[0]), signal.SIGKILL)
    out, _ = second.communicate(timeout=60)
    assert second.returncode == 128 + signal.SIGKILL
    assert resumed_at(out) > 2

    third = disturbed.workflow()
    marks |= wait_for_more_epochs(disturbed, seen + 2, third)
    worker = read_json(disturbed.result("af_scf", "state/worker.train.json"))["pid"]
    os.kill(worker, signal.SIGKILL)
    seen = disturbed.epochs("af_scf")
    marks |= wait_for_more_epochs(disturbed, seen + 2, third)
    (mark,) = [mark for mark in marks if any("raylet/raylet" in " ".join(p.cmdline()) for p in marked(MARK, mark))]
    kill_part(mark, "raylet/raylet")
    wait_for(lambda: not marked(MARK, mark), 60, third)
    out, _ = third.communicate(timeout=120)
    assert third.returncode == 0, out
    assert "the last workflow here was killed; unlocking" in out and "the Ray head died; going on" in out
    assert resumed_at(out) > 4 and "lnf: tiny: 2 runs: 2 ok" in out

    assert {name: disturbed.identities("lstm")[name] for name in trained} == trained
    assert {key: disturbed.result(*key).read_bytes() for key in reference} == reference
    wait_for(lambda: not disturbed.processes(), 60)
    assert {name: run.curve for name, run in mirrored(disturbed).items()} == {
        f"{prior}/0": list(range(len(disturbed.rows(prior, "history.parquet")))) for prior in PRIORS
    }


def wait_for_more_epochs(project: Project, epochs: int, process: Any) -> set[str]:
    """Wait until the flow's run has `epochs` epochs behind it and a worker is at it; the marks of the heads."""
    record = project.result("af_scf", "state/worker.train.json")
    wait_for(lambda: record.exists() and project.epochs("af_scf") >= epochs, 90, process)
    return project.marks()


def resumed_at(out: str) -> int:
    """The first epoch that a workflow tells of the flow's run."""
    lines = [line for line in out.splitlines() if line.startswith("markov/af_scf/0 epoch ")]
    return int(lines[0].split()[2].partition("/")[0])
