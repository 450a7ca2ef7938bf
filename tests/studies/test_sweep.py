"""The ranking of a sweep's points, and the files that it leaves."""

from pathlib import Path
from typing import Any

import pyarrow
import pytest

from lnf.errors import UserError
from lnf.plan import config
from lnf.plan.digests import train_identity
from lnf.plan.results import Plan
from lnf.plan.run import Run
from lnf.report.frames import read_csv
from lnf.studies import sweep
from lnf.system.files import write_json
from lnf.system.sealed import read_rows, write_table

SCORES = pyarrow.schema({
    "split": pyarrow.string(), "metric": pyarrow.string(), "unit": pyarrow.string(), "value": pyarrow.float64(),
})  # fmt: skip
SWEEP = {"train.learning_rate": [0.002, 0.006], "model.latent": [2, 4]}
NLL = {(0.002, 2): 2.5, (0.002, 4): 2.0, (0.006, 2): 1.5, (0.006, 4): None}
"""(learning rate, latent size) -> mean NLL on valid in bits; None: it diverges."""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A sweep of four points and two seeds, one point of which diverges with one seed."""
    monkeypatch.chdir(tmp_path)
    select = {"corpora": ["markov"], "priors": ["af_scf"], "seeds": [0, 1]}
    found = Plan(config.load(config.merge(config.read(), {"name": "swept", "select": select, "sweep": SWEEP})))
    for run in found.runs:
        finish(run)
    return found


def finish(run: Run) -> None:
    nll = NLL[run.spec.train.learning_rate, run.spec.model.latent]
    diverged = nll is None and run.spec.seed == 1
    facts = {
        "status": "diverged" if diverged else "ok",
        "wall_seconds": 60.0,
        "parameters": 1000 * run.spec.model.latent,
    }
    write_json(run.folder / "run.json", facts)
    row = {
        "split": "valid",
        "metric": "nll",
        "unit": "bpc",
        "value": (0.9 if nll is None else nll) + 0.1 * run.spec.seed,
    }
    write_table(run.evaluated[0], pyarrow.Table.from_pylist([] if diverged else [row], SCORES))


def ranked(plan: Plan, out: Path) -> list[dict[str, Any]]:
    (study,) = plan.studies
    sweep.run_sweep(**study.arguments, out=out)
    return sweep.rank(read_rows(out / "sweep.parquet"))


def test_the_least_mean_on_valid_comes_first_and_a_point_that_diverged_last(plan: Plan, tmp_path: Path) -> None:
    lines = ranked(plan, tmp_path)
    assert [line["nll"] for line in lines] == pytest.approx([1.55, 2.05, 2.55, 0.9])
    assert [line["status"] for line in lines] == ["ok", "ok", "ok", "diverged"]
    assert [line["n"] for line in lines] == [2, 2, 2, 1] and lines[0]["sd"] == pytest.approx(0.1 / 2**0.5)
    table = read_csv(tmp_path / "sweep.csv")
    assert list(table["model.latent"]) == ["2", "4", "2", "4"] and list(map(float, table["minutes"])) == [2.0] * 4
    text = (tmp_path / "sweep.md").read_text(encoding="utf-8")
    assert "| 0.006 | 2 | 1.550 ± 0.071 | 2 | 2,000 | 2.0 | ok |" in text.replace("| 2 | 0.006", "| 0.006 | 2")


def test_the_best_point_is_an_overlay_that_trains_it(plan: Plan, tmp_path: Path) -> None:
    ranked(plan, tmp_path)
    best = config.load(config.read([tmp_path / "best.yaml"]))
    assert best.name == "swept_best" and config.plan(best) == [("markov", "af_scf", 0), ("markov", "af_scf", 1)]
    spec = config.resolve(best, "markov", "af_scf", 0)
    point = next(run.spec for run in plan.runs if (run.spec.train.learning_rate, run.spec.model.latent) == (0.006, 2))
    assert spec.evaluate.test and train_identity(spec) == train_identity(point.replace(prior=spec.prior))


def test_its_figure_has_a_panel_a_setting(plan: Plan, tmp_path: Path) -> None:
    ranked(plan, tmp_path / "study")
    sweep.draw({"markov": [tmp_path / "study"]}, {}, tmp_path)
    assert (tmp_path / "sweep-markov.png").stat().st_size > 1000


def test_a_sweep_without_a_number_is_an_error_that_says_why(plan: Plan, tmp_path: Path) -> None:
    for run in plan.runs:
        write_table(run.evaluated[0], pyarrow.Table.from_pylist([], SCORES))
        write_json(run.folder / "run.json", {"status": "diverged", "wall_seconds": 1.0, "parameters": 1})
    with pytest.raises(UserError, match="sweep: markov: no point has a number on valid: diverged"):
        ranked(plan, tmp_path)
    assert not (tmp_path / "best.yaml").exists()
