"""MLflow's store, read and written in plain values. The only module that imports MLflow, and only inside functions."""

import json
import logging
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lnf.errors import UserError
from lnf.system.files import first_line
from lnf.system.locks import locked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

BOUNDS = {
    "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}  # fmt: skip
"""Without them a client waits for minutes for a server that is away. A user's own settings win."""
DATABASE = Path("mlflow.db")
ARTIFACTS = Path("mlartifacts")
COLUMNS = {"experiments": "artifact_location", "runs": "artifact_uri", "logged_models": "artifact_location"}
"""Table -> its column with an artifact's address."""
LOCK = Path(".lnf", "mlflow.lock")
LOCK_WAIT_S = 120.0
SAFE = re.compile(r"[\w/. -]*")
"""Paths that are an address as they are."""
PARAM_TYPES: Mapping[type, str] = {int: "long", float: "double", bool: "boolean"}
LONGEST_BATCH = {"metrics": 1000, "params": 100}  # MLflow's limits for one call


class Point(NamedTuple):
    """A value of a metric."""

    key: str
    value: float
    ms: int
    step: int


@dataclass(frozen=True)
class Entry:
    """A run as the store has it; times in milliseconds since 1970."""

    id: str
    name: str
    status: str
    started_ms: int
    ended_ms: int | None
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    params: Mapping[str, str]


def store_uri() -> str:
    """MLFLOW_TRACKING_URI, or the SQLite file of this project where that is not set, or empty."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _sqlite(DATABASE)


def is_elsewhere() -> bool:
    """Whether MLFLOW_TRACKING_URI names a store of the user's own."""
    return bool(os.environ.get("MLFLOW_TRACKING_URI"))


def without_secrets(text: str) -> str:
    """A text in which no address has a user's name or password, to be printed or stored."""
    return re.sub(r"(\w://)[^/@\s]*@", r"\1", text)


def _sqlite(path: Path) -> str:
    """The address of a database file. SQLAlchemy reads a path with a `?` as a query: from here, it needs none."""
    where = path.absolute()
    return f"sqlite:///{where if SAFE.fullmatch(str(where)) else os.path.relpath(where)}"


def database_stamp() -> int | None:
    """What changes when the project's database file is deleted or replaced; None without such a file."""
    if is_elsewhere() or not DATABASE.exists():
        return None
    return DATABASE.stat().st_ino


@contextmanager
def opened() -> Iterator["Store"]:
    """The store, alone on this project: MLflow's first use and its migrations do not bear company.

    Raises UserError if it cannot be reached, or if another process has it for LOCK_WAIT_S.
    """
    for variable, value in BOUNDS.items():
        os.environ.setdefault(variable, value)
    with locked(LOCK, LOCK_WAIT_S, "MLflow: another process is mirroring"):
        yield Store(_reached())


def _reached() -> "MlflowClient":
    """A client that has had an answer. Raises UserError, whatever MLflow raises, that says where there is none."""
    try:
        return _client(store_uri()) if is_elsewhere() else _own_client()
    except Exception as problem:  # MLflow's, SQLAlchemy's, urllib3's: all alike here
        right = "if it is damaged, move it away and sync again"
        right = "name another with MLFLOW_TRACKING_URI" if is_elsewhere() else right
        raise UserError(without_secrets(f"MLflow: {store_uri()}: {first_line(problem)}; {right}")) from None


def _client(uri: str) -> "MlflowClient":
    from mlflow import MlflowClient

    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    client = MlflowClient(tracking_uri=uri)
    client.search_experiments(max_results=1)
    return client


def _own_client() -> "MlflowClient":
    """A client of the project's database, which is made, or brought to the installed MLflow's layout, if need be.

    A layout that is cut short can never be finished, so that the database is made, and changed, next to its place.
    """
    from mlflow.exceptions import MlflowException

    if not DATABASE.exists():
        with _freshly_made() as scratch:
            _client(_sqlite(scratch))
    follow_project(DATABASE, ARTIFACTS)
    try:
        return _client(store_uri())
    except MlflowException as problem:
        if "db upgrade" not in str(problem):
            raise
        with _freshly_made() as scratch:
            shutil.copy(DATABASE, scratch)
            command = [sys.executable, "-m", "mlflow", "db", "upgrade", _sqlite(scratch)]
            subprocess.run(command, check=True, capture_output=True)
        return _client(store_uri())


@contextmanager
def _freshly_made() -> Iterator[Path]:
    """A path for a database that takes its place if the block succeeds; each is another, for MLflow keeps them open."""
    with tempfile.TemporaryDirectory(dir=DATABASE.absolute().parent, prefix=".mlflow-") as folder:
        yield Path(folder, DATABASE.name)
        os.replace(Path(folder, DATABASE.name), DATABASE)


class Store:
    """What is asked of MLflow here."""

    def __init__(self, client: "MlflowClient") -> None:
        self._client = client

    def experiment(self, name: str, note: str, tags: Mapping[str, str]) -> str:
        """The id of an experiment, which is made if it is not there, and has these tags then."""
        wanted = {**tags, "mlflow.note.content": note}
        found = self._client.get_experiment_by_name(name)
        if found is None:
            # elsewhere the server decides where artifacts go
            location = None if is_elsewhere() else (ARTIFACTS / name).absolute().as_uri()
            return str(self._client.create_experiment(name, artifact_location=location, tags=wanted))
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        for key, value in wanted.items():
            if found.tags.get(key) != value:
                self._client.set_experiment_tag(found.experiment_id, key, value)
        return str(found.experiment_id)

    def experiments(self, tag: str) -> dict[str, str]:
        """Name -> id of the experiments that have a tag, by name."""
        found = self._client.search_experiments(order_by=["name ASC"])
        return {str(one.name): str(one.experiment_id) for one in found if tag in one.tags}

    def runs(self, experiment: str, tag: str, value: str) -> list[Entry]:
        """The runs of an experiment whose tag has the value."""
        runs: list[Entry] = []
        token: str | None = None
        while not runs or token:
            page = self._client.search_runs([experiment], f"tags.`{tag}` = '{value}'", page_token=token)
            runs += map(_entry, page)
            token = page.token
            if not token:
                break
        return runs

    def create(
        self, experiment: str, name: str, started_ms: int, tags: Mapping[str, str], params: Mapping[str, str]
    ) -> Entry:
        """A new run with its params."""
        from mlflow.entities import Param

        run = self._client.create_run(experiment, start_time=started_ms, tags=dict(tags), run_name=name)
        for part in _parts([Param(*item) for item in params.items()], LONGEST_BATCH["params"]):
            self._client.log_batch(run.info.run_id, params=part)
        return _entry(run)

    def delete(self, run: str) -> None:
        """Take a run out of sight."""
        self._client.delete_run(run)

    def log(self, run: str, points: Sequence[Point] = (), tags: Mapping[str, str] | None = None) -> None:
        """Log metrics, then tags."""
        from mlflow.entities import Metric, RunTag

        for part in _parts([Metric(*point) for point in points], LONGEST_BATCH["metrics"]):
            self._client.log_batch(run, metrics=part)
        if tags:
            self._client.log_batch(run, tags=[RunTag(*item) for item in tags.items()])

    def artifacts(self, run: str, folder: str | None = None) -> set[str]:
        """The files that a run's artifacts really have, in a folder of theirs and those below it."""
        found: set[str] = set()
        for one in self._client.list_artifacts(run, folder):
            found |= self.artifacts(run, one.path) if one.is_dir else {str(one.path)}
        return found

    def has_model(self, experiment: str, run: str) -> bool:
        """Whether a model that was logged for a run is there, with its files."""
        found = self._client.search_logged_models([experiment], f"source_run_id = '{run}'")
        return any(self._client.list_logged_model_artifacts(model.model_id) for model in found)

    def artifact(self, run: str, file: Path, folder: str | None = None) -> None:
        """Log a file, below a folder of the run's artifacts."""
        self._client.log_artifact(run, str(file), folder)

    def dataset(self, run: str, name: str, digest: str, source: str, profile: Mapping[str, Any]) -> None:
        """Say what a run was trained on."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        data = Dataset(name=name, digest=digest, source_type="local", source=json.dumps({"uri": source}),
                       profile=json.dumps(profile))  # fmt: skip
        self._client.log_inputs(run, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])

    def go_on(self, run: str) -> None:
        """Say that a run that had ended goes on."""
        self._client.update_run(run, status="RUNNING")

    def end(self, run: str, status: str, ended_ms: int | None) -> None:
        """Say how and when a run ended: FINISHED or FAILED."""
        self._client.set_terminated(run, status, end_time=ended_ms)

    def model(
        self, experiment: str, run: str, folder: Path, loader: str, code: Sequence[Path], needs: Sequence[str],
        params: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """Log a model that `mlflow.pyfunc.load_model` loads: LOADER's `_load_pyfunc` is given `folder`, and `predict`
        takes `params`, whose values here are the defaults. `code` are the packages and modules that it needs.
        """
        with warnings.catch_warnings(action="ignore"):  # of MLflow's own modules, about themselves
            import mlflow
            import mlflow.pyfunc
            from mlflow.models import Model, ModelSignature
            from mlflow.types import ParamSchema, ParamSpec

            with _fluent(store_uri()):
                mlflow.set_experiment(experiment_id=experiment)
                Model.log(
                    artifact_path=None, name="model", flavor=mlflow.pyfunc, run_id=run, loader_module=loader,
                    data_path=str(folder), code_paths=list(map(str, code)), pip_requirements=list(needs),
                    signature=ModelSignature(params=ParamSchema([
                        ParamSpec(name, PARAM_TYPES[type(value)], value) for name, value in params.items()
                    ])),
                )  # fmt: skip


@contextmanager
def _fluent(uri: str) -> Iterator[None]:
    """MLflow's functions without a client, given the place of the store. They write that into the environment, where it
    would be taken for the user's own wish.
    """
    import mlflow

    names = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID")
    before = {name: os.environ.get(name) for name in names}
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _entry(run: "Run") -> Entry:
    info, data = run.info, run.data
    return Entry(
        info.run_id, info.run_name, info.status, info.start_time, info.end_time, data.tags, data.metrics, data.params
    )


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def follow_project(database: Path, artifacts: Path) -> None:
    """Where an address in the project's own database is below another folder's `artifacts`, make it this folder's.

    Does nothing without a database, or where nothing was moved.
    """
    if not database.exists():
        return
    here = f"{artifacts.absolute().as_uri()}/"
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in _columns(connection):
            query = f"select distinct {column} from {table} where {column} like 'file://%'"
            for (address,) in connection.execute(query).fetchall():
                before, found, after = address.partition(f"/{artifacts.name}/")
                if found and f"{before}{found}" != here:
                    connection.execute(f"update {table} set {column} = ? where {column} = ?", (here + after, address))


def _columns(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """The tables that this database has: an older one lacks some, an empty one all."""
    there = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
    yield from ((table, column) for table, column in COLUMNS.items() if table in there)
