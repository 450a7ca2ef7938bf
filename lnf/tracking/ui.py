"""How MLflow's page shows an experiment: the list of runs with the numbers that a person looks for.

A browser that MLflow's page has not seen before opens it in a view for language models, and its list of runs without a
metric; both are decided by the address (and, for the second, a tag of the experiment that the address names).
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lnf.errors import UserError
from lnf.system.signals import stopping
from lnf.tracking.mlflow_store import opened, store_uri, without_secrets

PAGE = "http://127.0.0.1:5000"
"""Where `make ui` opens."""
PORTS = 20
"""Of which one is taken."""
SHARED = "lnf"
TRAINING = "workflowType=machine_learning"


def tags(unit: str, split: str) -> dict[str, str]:
    """The experiment's tags: its kind, and the view that `list_address` names: variants with the seeds of each below
    it, which MLflow shows where runs are in the order of their start.
    """
    nll = f"{split}.nll_{unit}"
    metrics = (nll, f"{nll}_sd", f"{split}.kl_share", "seeds")
    state = {
        "searchFilter": "", "orderByKey": "attributes.start_time", "orderByAsc": True, "startTime": "ALL",
        "lifecycleFilter": "Active", "datasetsFilter": [], "modelVersionFilter": "All Runs",
        "selectedColumns": [*(f"metrics.`{name}`" for name in metrics), "params.`prior`", "params.`seed`"],
        "columnOrder": [], "columnWidths": {}, "runsExpanded": {}, "runsPinned": [], "runsHidden": [],
        "runsVisibilityMap": {}, "runsHiddenMode": "FIRST_10_RUNS", "viewMaximized": False, "runListHidden": False,
        "isAccordionReordered": False, "useGroupedValuesInCharts": True, "hideEmptyCharts": True, "groupBy": None,
        "groupsExpanded": {}, "autoRefreshEnabled": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }  # fmt: skip
    return {**KIND, f"mlflow.sharedViewState.{SHARED}": json.dumps(state)}


KIND: Mapping[str, str] = {"mlflow.experimentKind": "custom_model_development"}


def list_address(experiment: str, page: str = PAGE) -> str:
    """The list of an experiment's runs, with their numbers."""
    return f"{page}/#/experiments/{experiment}/runs?{TRAINING}&viewStateShareKey={SHARED}"


def run_address(experiment: str, run: str) -> str:
    """The page of a run."""
    return f"{PAGE}/#/experiments/{experiment}/runs/{run}?{TRAINING}"


def serve(port: int) -> None:
    """Print where each configuration's corpora and reports are to be seen, then serve MLflow's page on 127.0.0.1 until
    Ctrl-C; at another port if that one is in use.

    A server that $MLFLOW_TRACKING_URI names is there already. Raises UserError if the store cannot be reached.
    """
    with opened() as store:
        experiments = store.experiments("lnf.unit")
    remote = store_uri() if store_uri().startswith("http") else None
    if remote is None and (free := _free_port(port)) != port:
        print(f"lnf: port {port} is in use; MLflow opens on {free}, and links of reports to MLflow do not lead there")
        port = free
    for name, experiment in experiments.items():
        page = remote or f"http://127.0.0.1:{port}"
        print(f"lnf: {name}: {without_secrets(list_address(experiment, page))}")
    if not experiments:
        print("lnf: no run has been mirrored yet; `lnf sync NAME` mirrors a configuration's results")
    for report in sorted(Path("reports", "out").glob("*/report.html")):
        print(f"lnf: report of {report.parent.name}: {report.absolute().as_uri()}")
    if remote is None:
        print("lnf: Ctrl-C ends it", flush=True)
        _serve(port)


def _free_port(wanted: int) -> int:
    """The port, or the next one that is free. Raises UserError if PORTS in a row are in use."""
    for port in range(wanted, wanted + PORTS):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that has just been closed is free
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise UserError(f"--port {wanted}: it and the {PORTS - 1} after it are in use; name another")


def _serve(port: int) -> None:
    """Run MLflow's server in a group of its own, so that Ctrl-C is ours; what it says while it ends is not shown."""
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", **os.environ}
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store_uri(), "--host", "127.0.0.1"]
    server = subprocess.Popen(
        [*command, "--port", str(port), "--workers", "1"], env=environment, process_group=0, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
    )  # fmt: skip
    assert server.stdout is not None
    try:
        with stopping(lambda: _end(server), lambda: os.killpg(server.pid, signal.SIGKILL)) as asked:
            for line in server.stdout:
                if not asked:
                    print(line, end="", flush=True)
            status = server.wait()
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
    if status != 0 and not asked:
        raise UserError(f"ui: MLflow's server ended with status {status}; its last lines say why")


def _end(server: "subprocess.Popen[str]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
