"""Gathering: what belongs, what is refused, what is marked."""

from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from lnf.errors import UserError
from lnf.plan import config
from lnf.plan.digests import run_digests
from lnf.report.gather import Row, gather, read_metrics
from lnf.system.files import write_json

SMALL = {
    "name": "small",
    "select": {"corpora": ["markov"], "priors": ["lstm", "af_af"], "seeds": [0, 1]},
    "overrides": {"all": {"evaluate": {"samples": 3}}},
}
OUT = Path("metrics.parquet")


@pytest.fixture
def values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> config.Config:
    """A configuration of four runs, all there and fine."""
    monkeypatch.chdir(tmp_path)
    ours = config.load(config.merge(config.read(), SMALL))
    for run in config.plan(ours):
        finish(ours, run)
    facts = {"nll": 0.5, "nll_given_length": 0.25, "unigram_nll": 1.0, "unigram_nll_given_length": 0.75}
    meta = {"kind": "text", "source": {"test": facts, "train": facts}, "counts": {"test": {"sequences": 7}}}
    write_json(Path("data", "markov", "meta.json"), meta)
    return ours


def folder(run: tuple[str, str, int]) -> Path:
    return Path("results", "small", run[0], run[1], str(run[2]))


def finish(ours: config.Config, run: tuple[str, str, int], status: str = "ok", k: int = 3, **digests: str) -> None:
    expected = run_digests(config.resolve(ours, *run), config.corpus_settings(ours, run[0]))
    write_json(folder(run) / "run.json", {"digests": expected | digests})
    how: dict[str, Any] = {"estimator": "exact", "k": None} if run[1] == "lstm" else {"estimator": "importance", "k": k}
    row = {"split": "test", "metric": "nll", "unit": "bpc", "value": 1.0 + run[2], "n": 5} | how
    table = pyarrow.Table.from_pylist([row] if status == "ok" else []).replace_schema_metadata({"status": status})
    pyarrow.parquet.write_table(table, folder(run) / "evaluation.parquet")


def gathered(ours: config.Config, existing: bool = False) -> dict[tuple[str, int | None], Row]:
    gather(ours, OUT, existing)
    return {(row["prior"], row["seed"]): row for row in read_metrics(OUT)}


def test_finished_runs_and_the_sources_limits(values: config.Config) -> None:
    rows = gathered(values)
    assert rows["af_af", 1]["value"] == 2.0
    assert (rows["af_af", 1]["k"], rows["lstm", 0]["k"]) == (3, None)
    assert {row["status"] for row in rows.values()} == {"ok"}
    limits = {(row["prior"], row["metric"]): row for row in read_metrics(OUT) if row["role"] == "reference"}
    assert len(limits) == 4  # train is not reported
    assert limits["source", "nll"]["value"] == pytest.approx(0.5 / 0.6931471805599453)
    assert limits["unigram", "nll_given_length"]["value"] == pytest.approx(0.75 / 0.6931471805599453)
    assert limits["source", "nll"]["n"] == 7


@pytest.mark.parametrize("key", ["spec", "data"])
def test_a_stranger_is_refused(values: config.Config, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    finish(values, ("markov", "af_af", 0), **{key: "f00"})
    with pytest.raises(UserError, match=rf"^results/small/markov/af_af/0: made with .*{key} digest f00, expected"):
        gather(values, OUT)
    assert gathered(values, existing=True)["af_af", 0]["status"] == "not_run"
    assert "results/small/markov/af_af/0: made with" in capsys.readouterr().out


def test_another_number_of_samples_is_refused(values: config.Config) -> None:
    finish(values, ("markov", "af_af", 0), k=4)
    with pytest.raises(UserError, match="evaluated with K=4, expected 3"):
        gather(values, OUT)


def test_other_code_is_marked(values: config.Config) -> None:
    finish(values, ("markov", "af_af", 0), code="f00")
    rows = gathered(values)
    assert (rows["af_af", 0]["code"], rows["af_af", 1]["code"]) == ("other", "current")
    assert rows["af_af", 0]["status"] == "ok"


def test_diverged_runs_are_results(values: config.Config) -> None:
    finish(values, ("markov", "af_af", 0), status="diverged")
    row = gathered(values)["af_af", 0]
    assert (row["status"], row["metric"], row["value"]) == ("diverged", None, None)


def test_missing_runs_have_a_status(values: config.Config) -> None:
    (folder(("markov", "af_af", 0)) / "evaluation.parquet").unlink()
    (folder(("markov", "lstm", 1)) / "run.json").unlink()
    write_json(folder(("markov", "lstm", 1)) / "state" / "error.json", {"message": "no memory"})
    with pytest.raises(UserError, match=r"^results/small/markov/lstm/1: error"):
        gather(values, OUT)
    rows = gathered(values, existing=True)
    assert (rows["af_af", 0]["status"], rows["lstm", 1]["status"]) == ("not_run", "error")


def test_a_subset_has_no_limit_of_the_whole(values: config.Config) -> None:
    subset = config.load(config.merge(values.values, {"overrides": {"all": {"subset": {"test": 3}}}}))
    for run in config.plan(subset):
        finish(subset, run)
    assert all(row["role"] != "reference" for row in gathered(subset).values())
