"""Gathering: what belongs, what is refused, what is marked."""

from pathlib import Path
from typing import Any

import pyarrow
import pytest

from lnf.errors import UserError
from lnf.plan import config
from lnf.plan.results import Plan
from lnf.plan.run import Run
from lnf.report.gather import Row, gather
from lnf.system.files import write_json
from lnf.system.sealed import read_rows, write_table

SMALL = {
    "name": "small",
    "select": {"corpora": ["markov"], "priors": ["lstm", "af_af"], "seeds": [0, 1]},
    "overrides": {"all": {"evaluate": {"samples": 3}}},
}
OUT = Path()
METRICS = Path("metrics.parquet")
FACTS = {"nll": 0.5, "nll_given_length": 0.25, "unigram_nll": 1.0, "unigram_nll_given_length": 0.75}
META = {"kind": "text", "source": {"test": FACTS, "train": FACTS}, "counts": {"test": {"sequences": 7, "steps": 35}}}


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan of four runs, all there and fine."""
    monkeypatch.chdir(tmp_path)
    return finished(SMALL)


def finished(*changes: dict[str, Any]) -> Plan:
    """The plan of the paper's configuration with changes, all its runs finished."""
    values = config.read()
    for change in changes:
        values = config.merge(values, change)
    plan = Plan(config.load(values))
    for run in plan.runs:
        finish(run)
    write_json(plan.corpora["markov"].folder / "meta.json", META)
    return plan


def named(plan: Plan, prior: str, seed: int) -> Run:
    return next(run for run in plan.runs if (run.spec.prior.name, run.spec.seed) == (prior, seed))


def finish(run: Run, status: str = "ok", metadata: dict[str, str] | None = None, **facts: Any) -> None:
    place = {"corpus": run.spec.corpus, "prior": run.spec.prior.name, "seed": run.spec.seed}
    write_json(run.folder / "run.json", {"digests": run.context.digests, "status": status, **place, **facts})
    exact = run.spec.prior.name == "lstm"
    how: dict[str, Any] = {"estimator": "exact", "k": None} if exact else {"estimator": "importance", "k": 3}
    row = {"split": "test", "metric": "nll", "unit": "bpc", "value": 1.0 + run.spec.seed, "n": 5} | how
    whose = {"run": run.digest, "evaluation": run.evaluation, "status": status} | (metadata or {})
    table = pyarrow.Table.from_pylist([row] if status == "ok" else []).replace_schema_metadata(whose)
    write_table(run.evaluated[0], table)


def gathered(plan: Plan, existing: bool = False) -> dict[tuple[str, int | None], Row]:
    gather(**plan.gathered.arguments, out=OUT, existing=existing)
    return {(row["prior"], row["seed"]): row for row in read_rows(METRICS)}


def test_finished_runs_and_the_sources_limits(plan: Plan) -> None:
    rows = gathered(plan)
    assert rows["af_af", 1]["value"] == 2.0
    assert (rows["af_af", 1]["k"], rows["lstm", 0]["k"]) == (3, None)
    assert rows["af_af", 1]["digest"] == named(plan, "af_af", 1).digest
    assert {row["status"] for row in rows.values()} == {"ok"}
    limits = {(row["prior"], row["metric"]): row for row in read_rows(METRICS) if row["role"] == "reference"}
    assert len(limits) == 6  # train is not reported
    for prior in ("source", "unigram"):
        nll, given_length, length = (limits[prior, metric]["value"] for metric in ("nll", "nll_given_length", "length"))
        assert length == pytest.approx(nll - given_length * 35 / 42)
    assert limits["source", "nll"]["value"] == pytest.approx(0.5 / 0.6931471805599453)
    assert limits["unigram", "nll_given_length"]["value"] == pytest.approx(0.75 / 0.6931471805599453)
    assert limits["source", "nll"]["n"] == 7


def test_a_copied_evaluation_is_refused(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    ours, other = named(plan, "af_af", 0), named(plan, "af_af", 1)
    ours.evaluated[0].write_bytes(other.evaluated[0].read_bytes())
    words = f"{ours.evaluated[0]}: is evaluation {other.evaluation} of run {other.digest}, not of this one"
    with pytest.raises(UserError) as caught:
        gather(**plan.gathered.arguments, out=OUT)
    assert str(caught.value) == f"{words}; remove it, and run snakemake again"
    assert gathered(plan, existing=True)["af_af", 0]["status"] == "not_run"
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("metadata", [{"run": "f00"}, {"evaluation": "f00"}])
def test_an_evaluation_of_another_making_is_refused(plan: Plan, metadata: dict[str, str]) -> None:
    finish(named(plan, "af_af", 0), metadata=metadata)
    with pytest.raises(UserError, match=r"f00.*, not of this one; remove it"):
        gather(**plan.gathered.arguments, out=OUT)


def test_a_copied_run_is_refused(plan: Plan) -> None:
    ours, other = named(plan, "af_af", 0), named(plan, "lstm", 1)
    (ours.folder / "run.json").write_bytes((other.folder / "run.json").read_bytes())
    with pytest.raises(UserError, match=rf"run\.json: belongs to run {other.digest} of markov/lstm/1; remove it"):
        gather(**plan.gathered.arguments, out=OUT)


def test_diverged_runs_are_results(plan: Plan) -> None:
    finish(named(plan, "af_af", 0), status="diverged")
    row = gathered(plan)["af_af", 0]
    assert (row["status"], row["metric"], row["value"]) == ("diverged", None, None)


def test_missing_runs_have_a_status(plan: Plan) -> None:
    named(plan, "af_af", 0).evaluated[0].unlink()
    lost = named(plan, "lstm", 1)
    (lost.folder / "run.json").unlink()
    write_json(lost.folder / "state" / "error.json", {"message": "no memory"})
    with pytest.raises(UserError, match=rf"^{lost.folder}: error"):
        gather(**plan.gathered.arguments, out=OUT)
    rows = gathered(plan, existing=True)
    assert (rows["af_af", 0]["status"], rows["lstm", 1]["status"]) == ("unfinished", "error")


def test_a_subset_has_no_limit_of_the_whole(plan: Plan) -> None:
    subset = finished(SMALL, {"overrides": {"all": {"subset": {"test": 3}}}})
    assert all(row["role"] != "reference" for row in gathered(subset).values())
