"""What MLflow shows of a project."""

from typing import Any

from lnf.tracking.sync import curve_name
from tests.pipeline import Project


def mirrored(project: Project) -> dict[str, Any]:
    """MLflow's runs that are not superseded, by name."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{project.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny/markov")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.`lnf.kind` = 'run'")
    found = {run.info.run_name: run for run in runs}
    assert len(found) == len(runs)
    for run in runs:
        points = client.get_metric_history(run.info.run_id, curve_name("valid_loss"))
        run.curve = [point.step for point in points]
        run.files = sorted(file.path for file in client.list_artifacts(run.info.run_id))
    return found
