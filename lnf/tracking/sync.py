"""Run directories as MLflow shows them. The only module that imports MLflow, and only inside functions.

Files are the truth: `sync` makes the store say what a run directory says, logging only what is new, and can be called
at any time, any number of times, by any process. Experiment NAME/CORPUS, run PRIOR/SEED; the tag `lnf.key` is the
run's identity. What is logged already stands in the tag `lnf.logged`, written last.
"""

import json
import logging
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lnf.errors import UserError
from lnf.system.files import digest, read_json, sha256_of
from lnf.system.locks import locked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Metric, Run

DATABASE = Path("mlflow.db")
ARTIFACTS = Path("mlartifacts")
ARTIFACT_FILES = ("run.json", "history.parquet")
LOCK = Path(".lnf", "mlflow.lock")
LOCK_WAIT_S = 120.0
LONGEST_BATCH = {"metrics": 1000, "params": 100}  # MLflow's limits for one call
ENDED = {"ok": "FINISHED", "diverged": "FAILED"}


def store_uri() -> str:
    """MLFLOW_TRACKING_URI, or the SQLite file of this project."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{DATABASE.absolute()}"


def database_stamp() -> int | None:
    """What changes when the project's database file is deleted or replaced; None without such a file."""
    if "MLFLOW_TRACKING_URI" in os.environ or not DATABASE.exists():
        return None
    return DATABASE.stat().st_ino


def upgrade() -> None:
    """Create the project's database, or bring an older one to the installed MLflow's layout; one process at a time."""
    with _store():
        pass


def try_upgrade() -> None:
    """`upgrade`, but a failure is one line on stderr."""
    _trying(upgrade, "the database is as it was")


def sync_all(name: str) -> int:
    """Mirror every run of a configuration's results, the latest of each place last: it supersedes the others.

    Returns the number of runs mirrored. Raises UserError without results.
    """
    folder = Path("results", name)
    if not folder.is_dir():
        raise UserError(f"sync: {folder}: no such folder; its runs have not been trained here")
    written = {path.parent: path.stat().st_mtime_ns for path in folder.glob("*/*/*/*/run.json")}
    written |= {path.parents[1]: path.stat().st_mtime_ns for path in folder.glob("*/*/*/*/state/run.json")}
    return sum(try_sync(run) for run in sorted(written, key=lambda run: written[run]))


def try_sync(run_dir: Path) -> bool:
    """`sync`, but a failure is one line on stderr: MLflow is a mirror and never fails a run. Whether it succeeded."""
    return _trying(lambda: sync(run_dir), f"{run_dir} not mirrored")


def _trying(action: Callable[[], None], consequence: str) -> bool:
    try:
        action()
    except Exception as problem:  # MLflow's, SQLAlchemy's, urllib3's, the file system's, the lock's: all alike here
        reason = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        print(f"lnf: warning: MLflow: {consequence} ({reason})", file=sys.stderr, flush=True)
        return False
    return True


def sync(run_dir: Path) -> None:
    """Make MLflow show what the run directory says now. Does nothing for a directory without a run."""
    files = _Files.read(run_dir)
    if files is None:
        return
    with _store() as client:
        experiment = _experiment(client, f"{files.facts['name']}/{files.facts['corpus']}")
        run = _find(client, experiment.experiment_id, files)
        if run is not None and _logged(run)["history"] != files.history_digest(_logged(run)["epochs"]):
            client.delete_run(run.info.run_id)  # the run went back to an earlier state: its curve is another one now
            run = None
        _log(client, run or _create(client, experiment.experiment_id, files), files)


class _Files:
    """What a run directory says: its facts, its epochs, its evaluation, and the digests of its artifacts."""

    def __init__(self, folder: Path, facts: dict[str, Any], history: list[dict[str, Any]]) -> None:
        self.folder, self.facts, self.history = folder, facts, history
        self.evaluated = _wanted_evaluation(folder)
        names = (*ARTIFACT_FILES, self.evaluated)
        self.artifacts = {name: sha256_of(folder / name) for name in names if (folder / name).exists()}
        self.evaluation = _rows(folder / self.evaluated)
        self.place = "/".join(str(facts[key]) for key in ("name", "corpus", "prior", "seed"))
        self.key = " ".join([self.place, *(f"{name}={value}" for name, value in sorted(facts["digests"].items()))])

    @classmethod
    def read(cls, folder: Path) -> "_Files | None":
        """A finished run, else one that trains, else None. A run that ends in between is read again."""
        for _ in range(3):
            try:
                if (folder / "run.json").exists():
                    return cls(folder, read_json(folder / "run.json"), _rows(folder / "history.parquet"))
                facts = read_json(folder / "state" / "run.json")
                lines = folder / "state" / "history.jsonl"
                rows = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
                return cls(folder, facts, rows)
            except FileNotFoundError:
                continue
        return None

    def history_digest(self, epochs: int) -> str:
        """Identifies the first epochs of the curve."""
        return digest([{key: repr(value) for key, value in row.items()} for row in self.history[:epochs]])


def _wanted_evaluation(folder: Path) -> str:
    """The name of the evaluation that the run's last plan asked for: others of the same model may lie beside it."""
    told = folder / "spec.json"
    return f"evaluation-{read_json(told).get('evaluation', '') if told.exists() else ''}.parquet"


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    import pyarrow.parquet

    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


@contextmanager
def _store() -> Iterator["MlflowClient"]:
    """A client of the store, alone on this project: MLflow's first use and its migrations do not bear company."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with locked(LOCK, LOCK_WAIT_S, "MLflow: another process is mirroring"):
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        try:
            client = MlflowClient(tracking_uri=store_uri())
            client.search_experiments(max_results=1)
        except MlflowException as problem:
            if "db upgrade" not in str(problem):
                raise
            command = [sys.executable, "-m", "mlflow", "db", "upgrade", store_uri()]
            subprocess.run(command, check=True, capture_output=True)
            client = MlflowClient(tracking_uri=store_uri())
        yield client


def _experiment(client: "MlflowClient", name: str) -> "Experiment":
    experiment = client.get_experiment_by_name(name)
    if experiment is not None and experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    if experiment is None:
        ours = "MLFLOW_TRACKING_URI" not in os.environ  # elsewhere the server decides where artifacts go
        location = (ARTIFACTS / name).absolute().as_uri() if ours else None
        experiment = client.get_experiment(client.create_experiment(name, artifact_location=location))
    return experiment


def _find(client: "MlflowClient", experiment_id: str, files: _Files) -> "Run | None":
    runs = client.search_runs([experiment_id], f"tags.`lnf.key` = '{files.key}'", max_results=1)
    return runs[0] if runs else None


def _create(client: "MlflowClient", experiment_id: str, files: _Files) -> "Run":
    """A new run with its params and tags; runs of the same place with other digests are tagged superseded."""
    for old in client.search_runs([experiment_id], f"tags.`lnf.run` = '{files.place}'"):
        client.set_tag(old.info.run_id, "lnf.status", "superseded")
    facts = files.facts
    tags = {"lnf.key": files.key, "lnf.run": files.place, "lnf.role": facts["role"], "lnf.label": facts["label"],
            "lnf.revision": facts["revision"], "lnf.status": "running",
            "lnf.differs_from_paper": json.dumps(facts["differs_from_paper"], sort_keys=True),
            "lnf.logged": json.dumps({"epochs": 0, "history": files.history_digest(0), "artifacts": {}})}  # fmt: skip
    run = client.create_run(experiment_id, tags=tags, run_name=f"{facts['prior']}/{facts['seed']}")
    _log_params(client, run.info.run_id, facts["spec"])
    return run


def _logged(run: "Run") -> dict[str, Any]:
    logged: dict[str, Any] = json.loads(run.data.tags["lnf.logged"])
    return logged


def _log(client: "MlflowClient", run: "Run", files: _Files) -> None:
    """Log what is new since the last sync, then say so in `lnf.logged`."""
    from mlflow.entities import RunTag

    logged, run_id = _logged(run), run.info.run_id
    status = files.facts["status"]
    # A deterministic time: the same value logged twice, after a kill in between, is one point of the curve.
    metrics = list(_curves(files.history, logged["epochs"], run.info.start_time))
    if logged["artifacts"].get(files.evaluated) != files.artifacts.get(files.evaluated):
        metrics += _evaluation(files.evaluation, run.info.start_time)
    for name, content in files.artifacts.items():
        if logged["artifacts"].get(name) != content:
            client.log_artifact(run_id, str(files.folder / name))
    now = {"epochs": len(files.history), "history": files.history_digest(len(files.history)),
           "artifacts": files.artifacts}  # fmt: skip
    if now == logged and run.data.tags["lnf.status"] == status:
        return
    for part in _parts(metrics, LONGEST_BATCH["metrics"]):
        client.log_batch(run_id, metrics=part)
    client.log_batch(run_id, tags=[RunTag("lnf.status", status), RunTag("lnf.logged", json.dumps(now))])
    if status in ENDED:
        client.set_terminated(run_id, ENDED[status])


def _log_params(client: "MlflowClient", run_id: str, spec: dict[str, Any]) -> None:
    from mlflow.entities import Param

    params = [Param(key, str(value)) for key, value in _flat(spec)]
    for part in _parts(params, LONGEST_BATCH["params"]):
        client.log_batch(run_id, params=part)


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _curves(history: list[dict[str, Any]], start: int, started_ms: int) -> Iterator["Metric"]:
    """A point per epoch and column; columns that a model does not have (null) are left out."""
    from mlflow.entities import Metric

    for row in history[start:]:
        for key, value in row.items():
            if key != "epoch" and value is not None:
                yield Metric(key, value, started_ms + row["epoch"], row["epoch"])


def _evaluation(rows: list[dict[str, Any]], started_ms: int) -> Iterator["Metric"]:
    """One number per split and metric, its unit in its name: `test.nll_bpc`, `valid.kl_nats_per_step`."""
    from mlflow.entities import Metric

    for row in rows:
        unit = row["unit"].replace("/", "_per_")
        if row["value"] is not None and math.isfinite(row["value"]):
            yield Metric(f"{row['split']}.{row['metric']}_{unit}", row["value"], started_ms, 0)


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
