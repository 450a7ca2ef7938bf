"""How MLflow's page shows an experiment: the list of runs with the numbers that a person looks for.

A browser that MLflow's page has not seen before opens it in a view for language models, and its list of runs without a
metric; both are decided by the address (and, for the second, a tag of the experiment that the address names).
"""

import json
from collections.abc import Mapping

PAGE = "http://127.0.0.1:5000"
"""Where `make ui` opens."""
SHARED = "lnf"
TRAINING = "workflowType=machine_learning"


def tags(unit: str) -> dict[str, str]:
    """The experiment's tags: its kind, and the view that `list_address` names, best test NLL first."""
    nll = f"test.nll_{unit}"
    metrics = (nll, f"{nll}_sd", "test.kl_share", "seeds")
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
