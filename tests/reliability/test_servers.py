"""Servers that hang or are away: no run waits for MLflow, what it lacks is kept and reported; every wait has an end."""

import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from lnf.app.command_line import main
from lnf.system.files import read_json
from tests.end_to_end.mirrored import mirrored
from tests.patience import finish, wait_for
from tests.pipeline import Project
from tests.reliability.case import Case

Server = Callable[[], AbstractContextManager[str]]
KIND = "Servers that are away or hang"
LACKS = (
    "MLflow lacks … runs or reports so far (see .lnf/mlflow.log); the next workflow here makes good what is left, or …"
)
LATER = "nothing: the run is done in its own time; MLflow is filled by the next workflow, or by `lnf sync`"
HERE = "tests/reliability/test_servers.py::"
DEAF = Case("an MLflow server that never answers", LACKS, LATER, proved=f"{HERE}test_no_run_waits_for_mlflow[deaf]")
CLOSED = Case("a closed port for MLflow", LACKS, LATER, proved=f"{HERE}test_no_run_waits_for_mlflow[closed]")
LOCKED = Case(
    "MLflow's database locked to the end of the workflow",
    LACKS,
    LATER,
    proved=f"{HERE}test_a_locked_database_is_told_later",
)
CUT = Case(
    "MLflow's database cut off while it was made",
    "",
    "nothing: it is made next to its place",
    proved="tests/tracking/test_tracking.py::test_a_database_is_there_whole_or_not_at_all",
)
DEAF_RAY = Case(
    "a Ray address that never answers",
    "… failed: cannot join the Ray cluster at …: no answer within … s; the rest goes on; its log is …",
    "nothing: the runs are not trained",
    proved="snakemake_executor_plugin_ray/tests/test_stranger.py::test_an_address_where_nothing_answers_is_one_line",
)
CLOSED_RAY = Case(
    "a Ray address where nothing listens",
    "… failed: cannot join the Ray cluster at 127.0.0.1:…; the rest goes on; its log is …",
    "nothing: the runs are not trained",
    proved="tests/end_to_end/test_changes.py::test_a_change_that_cannot_run_destroys_nothing",
)
AWAY = Case(
    "`make ui` or `lnf sync` with an MLflow server that is away",
    "MLflow: http://127.0.0.1:…: …; name another with MLFLOW_TRACKING_URI",
    "nothing",
    proved=f"{HERE}test_a_store_that_cannot_be_reached_is_one_line",
)
SPOILT = Case(
    "a damaged mlflow.db",
    "MLflow: sqlite:///…/mlflow.db: …; if it is damaged, move it away and sync again",
    "nothing: `lnf sync NAME` fills a new one from the files",
    proved=f"{HERE}test_a_store_that_cannot_be_reached_is_one_line",
)
ROWS = [AWAY, SPOILT, DEAF, CLOSED, LOCKED, CUT, DEAF_RAY, CLOSED_RAY]


@contextmanager
def listening() -> Iterator[str]:
    """HOST:PORT where a server accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def closed() -> Iterator[str]:
    """HOST:PORT where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    yield address


@pytest.mark.e2e
@pytest.mark.parametrize(("server", "case"), [(listening, DEAF), (closed, CLOSED)], ids=["deaf", "closed"])
def test_no_run_waits_for_mlflow(
    untrained: Project, server: Callable[[], AbstractContextManager[str]], case: Case
) -> None:
    """While the server is away the run trains, is scored and reported; what is left is counted from the files."""
    with server() as address:
        untrained.environment["MLFLOW_TRACKING_URI"] = f"http://{address}"
        out = finish(untrained.without("ray").workflow(select__priors=["lstm"]))
        case.assert_seen(out)
    assert "lnf: tiny: 1 runs: 1 ok" in out
    wait_for(lambda: not untrained.processes())
    (status,) = untrained.folder.glob(".lnf/mlflow/*/status.json")
    assert read_json(status)["left"] == 2  # the run and the report


@pytest.mark.e2e
def test_a_locked_database_is_told_later(copied: Project) -> None:
    """Someone holds the database from the start to the end; the next workflow tells it all."""
    again = {"overrides__all__evaluate": {"samples": 6}}
    with closing(sqlite3.connect(copied.folder / "mlflow.db")) as database:
        database.execute("BEGIN EXCLUSIVE")
        out = finish(copied.without("ray").workflow(**again))
        LOCKED.assert_seen(out)
        wait_for(lambda: not copied.processes())
    finish(copied.workflow(**again, overrides__all__sample={"samples": 5}))
    wait_for(lambda: not copied.processes())
    lefts = [read_json(status)["left"] for status in copied.folder.glob(".lnf/mlflow/*/status.json")]
    assert 0 in lefts and max(lefts) > 0
    for name, run in mirrored(copied).items():
        told = read_json(copied.result(name.partition("/")[0], "spec.json"))
        assert f"evaluation-{told['evaluation']}.parquet" in run.files


def test_a_store_that_cannot_be_reached_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mlflow.db").write_bytes(b"no database" * 1000)
    for case in (SPOILT, AWAY):
        assert main(["ui"]) == 1
        case.assert_seen(capsys.readouterr().err)
        with closed() as address:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{address}")
