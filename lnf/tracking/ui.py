"""How MLflow's page shows an experiment: the list of runs with the numbers that a person looks for.

A browser that MLflow's page has not seen before opens it in a view for language models, and its list of runs without a
metric; both are decided by the address (and, for the second, a tag of the experiment that the address names).
"""

import json
import os
import sys
from collections.abc import Mapping

from lnf.tracking.mlflow_store import opened, store_uri, without_secrets

PAGE = "http://127.0.0.1:5000"
"""Where `make ui` opens."""
SHARED = "lnf"
TRAINING = "workflowType=machine_learning"


def tags(unit: str, split: str) -> dict[str, str]:
    """The experiment's tags: its kind, and the view that `list_address` names, best NLL on a split first."""
    nll = f"{split}.nll_{unit}"
    metrics = (nll, f"{nll}_sd", f"{split}.kl_share", "seeds")
    state = {
        "searchFilter": "", "orderByKey": f"metrics.`{nll}`", "orderByAsc": True, "startTime": "ALL",
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
    """Print where each configuration's corpora are to be seen, then become MLflow's server on 127.0.0.1:PORT.

    A server that $MLFLOW_TRACKING_URI names is there already. Raises UserError if the store cannot be reached.
    """
    with opened() as store:
        experiments = store.experiments("lnf.unit")
    server = store_uri() if store_uri().startswith("http") else f"http://127.0.0.1:{port}"
    for name, experiment in experiments.items():
        print(f"lnf: {name}: {without_secrets(list_address(experiment, server))}")
    if not experiments:
        print("lnf: no run has been mirrored yet; `lnf sync NAME` mirrors a configuration's results")
    if server == store_uri():
        return
    print("lnf: Ctrl-C ends it", flush=True)
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", **os.environ}
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store_uri(), "--host", "127.0.0.1"]
    os.execve(sys.executable, [*command, "--port", str(port), "--workers", "1"], environment)
