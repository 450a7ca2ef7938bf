"""Gathering: what belongs, what is refused, what is marked."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest

from lnf.corpora import store
from lnf.corpora.loading import load
from lnf.errors import UserError
from lnf.plan import config
from lnf.plan.jobs import perform
from lnf.plan.results import Plan
from lnf.plan.run import Run
from lnf.report.gather import gather
from lnf.report.metrics import Row
from lnf.system.files import write_json
from lnf.system.sealed import read_rows, write_table

SMALL = {
    "name": "small",
    "select": {"corpora": ["markov"], "priors": ["lstm", "af_af"], "seeds": [0, 1]},
    "overrides": {"all": {"evaluate": {"samples": 3}}},
    "corpora": {"markov": {"prepare": {"options": {"train": 40, "valid": 20, "test": 20}, "max_length": 8}}},
}
OUT = Path()
METRICS = Path("metrics.parquet")


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
    corpus = plan.corpora["markov"]
    perform("prepare", corpus.spec, corpus.folder)
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
    return {(row["prior"], row["seed"]): row for row in gathered_rows(plan, existing)}


def gathered_rows(plan: Plan, existing: bool = False) -> list[Row]:
    gather(**plan.gathered.arguments, out=OUT, existing=existing)
    return read_rows(METRICS)


def test_finished_runs_and_the_sources_limits(plan: Plan) -> None:
    rows = gathered(plan)
    assert rows["af_af", 1]["value"] == 2.0
    assert (rows["af_af", 1]["k"], rows["lstm", 0]["k"]) == (3, None)
    assert rows["af_af", 1]["digest"] == named(plan, "af_af", 1).digest
    assert {row["status"] for row in rows.values()} == {"ok"}
    rows = read_rows(METRICS)
    limits = {(row["prior"], row["split"], row["metric"]): row for row in rows if row["role"] == "reference"}
    assert {key[0] for key in limits} == {"source", "unigram", "bigram"} and len(limits) == 18
    facts = store.read_meta(plan.corpora["markov"].folder)
    steps, texts = facts["counts"]["test"]["steps"], facts["counts"]["test"]["sequences"]
    for prior in ("source", "unigram", "bigram"):
        nll, given_length, length = (
            limits[prior, "test", metric]["value"] for metric in ("nll", "nll_given_length", "length")
        )
        assert length == pytest.approx(nll - given_length * steps / (steps + texts))
    assert limits["source", "test", "nll"]["value"] == pytest.approx(facts["source"]["test"]["nll"] / math.log(2))
    assert limits["source", "test", "nll"]["n"] == texts
    assert limits["source", "test", "nll"]["value"] < limits["bigram", "test", "nll"]["value"]


def test_n_grams_are_of_what_the_runs_see(plan: Plan) -> None:
    """A subset has no limit, since the source's holds for whole splits; n-grams are fitted on it and scored on it."""
    few = finished(SMALL, {"overrides": {"all": {"subset": {"train": 7, "test": 5}}}})
    rows = [row for row in gathered_rows(few) if row["role"] == "reference" and row["split"] == "test"]
    assert {(row["prior"], row["n"]) for row in rows} == {("unigram", 5), ("bigram", 5)}
    corpus = load(few.corpora["markov"].folder, few.runs[0].spec)
    train, test = (np.concatenate(corpus.splits[split].sequences) for split in ("train", "test"))
    p_V = (1 + np.bincount(train, minlength=12)) / (12 + len(train))
    (found,) = [row["value"] for row in rows if (row["prior"], row["metric"]) == ("unigram", "nll_given_length")]
    assert found == pytest.approx(-np.log2(p_V)[test].mean())


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


def test_a_corpus_of_which_a_file_is_missing_has_no_references(plan: Plan) -> None:
    """A damaged file is set aside: tables of what exists are written all the same."""
    (plan.corpora["markov"].folder / "test.arrow").unlink()
    assert all(row["role"] != "reference" for row in gathered_rows(plan, existing=True))
