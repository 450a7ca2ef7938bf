"""The sweep of docs/sweeps.md, at a tiny size: run by the DAG, in MLflow, ranked, and its best point run again."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lnf.plan import config
from tests.end_to_end.mirrored import mirrored
from tests.patience import finish
from tests.pipeline import Project

pytestmark = pytest.mark.e2e
PAGE = (config.ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
(DOCUMENTED,) = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
SHORT = {"epochs": 4, "kl_floor_epochs": 0, "kl_ramp_epochs": 2, "elbo_samples": 1}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("swept")).without("ray")
    changes = {"select": DOCUMENTED["select"], "sweep": DOCUMENTED["sweep"], "overrides__priors__af_scf__train": SHORT}
    out = finish(project.workflow(**changes))
    assert "lnf: tiny: 6 runs to train, 6 to evaluate" in out and "lnf: tiny: 6 runs: 6 ok" in out
    assert "best of 6 points on valid: reports/out/tiny/sweep/markov/best.yaml" in out
    yield project
    project.close()


def test_every_point_is_ranked_on_valid_and_test_is_not_read(swept: Project) -> None:
    lines = (swept.folder / "reports/out/tiny/sweep/markov/sweep.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 7
    assert all(row["split"] == "valid" for row in swept.table())
    for folder in (swept.folder / "results/tiny/markov").glob("af_scf_*/0/*"):
        assert not json.loads((folder / "spec.json").read_text(encoding="utf-8"))["spec"]["evaluate"]["test"]
    checks = list((swept.folder / "results/tiny/checks").glob("*/*/check.json"))
    assert [path.parts[-3] for path in checks] == ["af_scf"]


def test_mlflow_can_compare_the_points_by_their_settings(swept: Project) -> None:
    runs = mirrored(swept)
    settings = {
        (run.data.params["train.learning_rate"], run.data.params["model.latent"]): run.data.metrics["valid.nll_bpc"]
        for run in runs.values()
    }
    assert len(settings) == 6 and not any("test.nll_bpc" in run.data.metrics for run in runs.values())


def test_the_best_point_runs_from_its_overlay_and_reads_test(swept: Project) -> None:
    best = "reports/out/tiny/sweep/markov/best.yaml"
    out = finish(swept.start("lnf", "run", "--configfile", best, "--cores", "2"))
    assert "lnf: tiny_best: 1 runs: 1 ok" in out
    table = Path(swept.folder, "reports/out/tiny_best/tables/text.csv").read_text(encoding="utf-8")
    assert re.search(r"markov,af_scf,test,nll,bpc,importance,5,[0-9.]+", table)
