"""Models in MLflow: those of first seeds, or of all, which draw when they are loaded."""

from pathlib import Path

import pytest

from lnf.runs.training import train_run
from lnf.system.files import write_json
from lnf.tracking import mlflow_store, sync
from tests.specs import tiny_spec
from tests.tiny_corpus import context, prepared
from tests.tracking.test_tracking import _experiment, _seeds, database, fresh, project, store_client

__all__ = ["database", "fresh", "project"]

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("prior", ["lstm", "af_scf"])
def test_the_first_seeds_model_draws(project: Path, prior: str) -> None:
    import mlflow
    import pandas

    corpus, spec = prepared(project), tiny_spec(prior)
    run = Path("results", "test", "tiny", prior, "0", "d")
    train_run(spec, corpus, run, context(spec))
    write_json(run / "spec.json", {"data": str(corpus)})
    sync.sync(run)
    mlflow.set_tracking_uri(mlflow_store.store_uri())
    (seed,) = _seeds("test/tiny")
    store_client().set_tag(seed.info.run_id, "lnf.status", "superseded")
    sync.sync(run)  # its settings were taken back: it counts again, and its model is logged already
    (logged,) = mlflow.search_logged_models(output_format="list", experiment_ids=[_experiment("test/tiny")])
    model = mlflow.pyfunc.load_model(logged.model_uri)
    texts = model.predict(pandas.DataFrame({"length": [3, 5, 10]}))
    assert [len(text) for text in texts] == [3, 5, 10] and set("".join(texts)) <= set("abcde")
    needs = Path(mlflow.artifacts.download_artifacts(logged.model_uri), "requirements.txt").read_text(encoding="utf-8")
    assert "torch==" in needs and "+" not in needs


def test_models_of_all_seeds_are_logged_if_that_is_wanted(project: Path) -> None:
    import mlflow

    corpus, spec = prepared(project), tiny_spec("lstm")
    folders = [Path("results", "test", "tiny", "lstm", str(seed), "d") for seed in (0, 1)]
    for seed, folder in enumerate(folders):
        train_run(spec.replace(seed=seed), corpus, folder, context(spec))
        write_json(folder / "spec.json", {"data": str(corpus)})
    mlflow.set_tracking_uri(mlflow_store.store_uri())
    for models, logged in (("first", 1), ("all", 2), ("first", 2)):
        assert sync.sync_all("test", models) == (2, 2)
        found = mlflow.search_logged_models(output_format="list", experiment_ids=[_experiment("test/tiny")])
        assert len({model.source_run_id for model in found}) == len(found) == logged
