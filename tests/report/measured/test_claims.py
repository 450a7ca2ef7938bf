"""What the paper claims, and the verdict of kept results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lnf.plan import config
from lnf.plan.config import ROOT
from lnf.report.frames import write_csv
from lnf.report.measured.archive import Kept
from lnf.report.measured.claims import Evidence, Finding, claims_section, finding, findings, read_claims
from tests.report.fabricated import keep

Values = Mapping[str, Sequence[float]]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def kept(nll: Values | None = None, kl: Values | None = None, times: Mapping[int, Any] | None = None) -> Kept:
    """Results of a corpus: NLL by prior and seed, the KL of an ELBO of 2, seconds (lstm, iaf_scf) by length."""
    head = {"corpus": "ptb", "kind": "text", "role": "main", "split": "test", "status": "ok", "unit": "bpc"}
    rows: list[dict[str, Any]] = []
    for metric, of in (("nll", nll or {"lstm": [1.0]}), ("kl", kl or {})):
        for prior, values in of.items():
            exact = "exact" if prior == "lstm" else "importance"
            for seed, value in enumerate(values):
                one = {**head, "prior": prior, "label": prior.upper(), "seed": seed, "estimator": exact}
                rows.append({**one, "metric": metric, "value": value})
                rows += [{**one, "metric": "elbo", "value": 2.0}] if metric == "kl" else []
    speed = [
        {"corpus": "ptb", "prior": prior, "batch": batch, "length": str(length),
         "seconds": str(seconds), "low": str(seconds * 0.9), "high": str(seconds * 1.1)}
        for length, pair in (times or {}).items()
        for prior, seconds in zip(("lstm", "iaf_scf"), pair, strict=True)
        for batch in ("1", "16")
    ]  # fmt: skip
    return keep(Path("small"), rows, speed)


def found(measure: str, here: Kept, better: str, worse: str = "", margin: float = 0.0) -> Finding:
    return finding(Evidence("a claim", measure, "small", "ptb", better, worse, margin), here)


@pytest.mark.parametrize(
    ("af_af", "margin", "verdict"),
    [
        ([1.0, 1.02, 1.01], 0.3, "confirmed"),
        ([1.4, 1.42, 1.41], 0.3, "contradicted"),
        ([1.4, 1.42, 1.41], 0.0, "confirmed"),
        ([1.52, 1.53, 1.51], -0.1, "confirmed"),
        ([1.0, 1.4, 1.1], 0.3, "undecided"),
        ([0.5], 0.3, "undecided"),
        ([], 0.3, "not run"),
    ],
)
def test_a_lead_is_held_against_its_margin(af_af: list[float], margin: float, verdict: str) -> None:
    here = kept(nll={"af_af": af_af, "af_scf": [1.5, 1.51, 1.49]})
    assert found("nll", here, "af_af", "af_scf", margin).verdict == verdict


def test_an_exact_nll_decides_nothing_where_the_bound_may_be_loose() -> None:
    here = kept(nll={"af_af": [2.0, 2.01, 2.02], "lstm": [1.5, 1.51, 1.49]})
    assert found("nll", here, "lstm", "af_af").verdict == "undecided (a bound)"
    assert found("nll", here, "af_af", "lstm").verdict == "undecided (a bound)"


@pytest.mark.parametrize(
    ("kl", "verdict"),
    [([1.9, 1.91, 1.92], "confirmed"), ([1.7, 1.71], "contradicted"), ([1.7, 1.95], "undecided"), ([1.9], "undecided")],
)
def test_the_share_of_the_kl_is_of_the_elbo(kl: list[float], verdict: str) -> None:
    one = found("kl_share", kept(kl={"af_af": kl}), "af_af", margin=0.9)
    assert one.verdict == verdict and one.found.startswith(f"{sum(kl) / len(kl) / 2:.1%}")


@pytest.mark.parametrize(
    ("times", "verdict"),
    [
        ({16: (1.0, 4.0), 64: (4.0, 4.1), 128: (8.0, 4.2), 288: (16.0, 4.3)}, "confirmed, from T = 128 on"),
        ({16: (2.0, 1.0), 64: (4.0, 1.0)}, "confirmed, from T = 16 on"),
        ({16: (2.0, 1.0), 64: (4.0, 8.0)}, "contradicted"),
        ({16: (2.0, 1.0), 64: (4.0, 4.1)}, "undecided"),
        ({}, "not run"),
    ],
)
def test_sampling_is_faster_where_the_ranges_of_repeats_lie_apart(times: Any, verdict: str) -> None:
    assert found("sampling", kept(times=times), "iaf_scf", "lstm").verdict == verdict


def test_a_claim_counts_pieces_of_evidence_that_differ(tmp_path: Path) -> None:
    here = kept(nll={"af_af": [1.0, 1.01], "af_scf": [1.1, 1.11], "iaf_scf": [1.1, 1.3]})
    rows = (
        ["one", "nll", "small", "ptb", "af_af", "af_scf", ""],
        ["one", "nll", "small", "ptb", "af_scf", "iaf_scf", ""],
    )
    again = (
        ["two", "nll", "small", "ptb", "af_af", "af_scf", "0"],
        ["two", "nll", "small", "ptb", "af_scf", "af_af", ""],
    )
    columns = ["claim", "measure", "configuration", "corpus", "better", "worse", "margin"]
    file = tmp_path / "claims.csv"
    write_csv(file, columns, [dict(zip(columns, row, strict=True)) for row in (*rows, *again)])
    assert claims_section(findings(file, [])) == [], "nothing is kept"
    lines = claims_section(findings(file, [here]))
    assert "| 1. one | 1 confirmed, 1 undecided |  |" in lines
    assert "| 2. two | 1 confirmed, 1 contradicted |  |" in lines


def test_claims_are_of_rows_that_their_configurations_plan() -> None:
    known = read_claims(ROOT / "reports" / "claims.csv")
    names = {one.configuration for one in known}
    configs = {name: config.load(config.read([ROOT / "workflow" / "configs" / f"{name}.yaml"])) for name in names}
    planned = {name: {run[:2] for run in config.plan(made)} for name, made in configs.items()}
    assert known
    for one in known:
        assert {(one.corpus, prior) for prior in (one.better, one.worse) if prior} <= planned[one.configuration], one
