"""Rows in bfloat16 count as cells of the paper where no row shows a difference from float32."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lnf.plan.config import ROOT
from lnf.report.measured.archive import Kept, all_kept
from lnf.report.measured.cells import cells_section
from lnf.report.measured.precision import bfloat16_counts, pairs, precision_section
from lnf.report.page.page import _coverage
from lnf.report.tables import read_published
from tests.report.fabricated import keep

PUBLISHED = read_published(ROOT / "reports" / "paper.csv")
FLOAT32 = {("jsb_chorales", "af_af"): [6.60, 6.64, 6.68]}


def kept(folder: Path, rows: dict[tuple[str, str], Sequence[float]], *changed: str) -> Kept:
    head = {"kind": "music", "role": "main", "split": "test", "metric": "nll", "status": "ok", "unit": "nats/step"}
    found: list[dict[str, Any]] = [
        {**head, "corpus": corpus, "prior": prior, "label": "AF / AF", "seed": seed, "value": value,
         "estimator": "importance", "k": 30}
        for (corpus, prior), values in rows.items() for seed, value in enumerate(values)
    ]  # fmt: skip
    one = keep(folder, found)
    one.changed = set(changed)
    return one


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([6.61, 6.63, 6.69], "no difference"),
        ([6.80, 6.81, 6.79], "a difference"),
        ([6.61, 6.63], "too few seeds"),
        ([6.61], "too few seeds"),
    ],
)
def test_a_row_is_compared_by_the_seeds_of_both(values: list[float], verdict: str, tmp_path: Path) -> None:
    here = [
        kept(tmp_path / "paper", FLOAT32),
        kept(tmp_path / "fast", {("jsb_chorales", "af_af"): values}, "model.precision"),
        kept(tmp_path / "other", {("jsb_chorales", "af_af"): [1.0]}, "model.precision", "train.batch"),
    ]
    (pair,) = pairs(here)
    assert pair.verdict == verdict and bfloat16_counts(here) == (verdict == "no difference")
    assert any(line.endswith(f"| {verdict} |") for line in precision_section(here))


@pytest.mark.parametrize(("jsb", "counts"), [([6.61, 6.63, 6.69], True), ([7.0, 7.01, 7.02], False)])
def test_a_cell_in_bfloat16_is_shown_if_it_counts_and_never_in_place_of_float32(
    jsb: list[float], counts: bool, tmp_path: Path
) -> None:
    fast = {("jsb_chorales", "af_af"): jsb, ("nottingham", "af_af"): [2.40]}
    here = [kept(tmp_path / "fast", fast, "model.precision"), kept(tmp_path / "paper", FLOAT32)]
    (row,) = (line for line in cells_section(here, PUBLISHED) if line.startswith("| AF / AF |"))
    assert ("2.400, reproduced (+0.4%, one seed), bfloat16" in row) == counts and "6.640, reproduced" in row
    for one in here:
        one.facts = [{"corpus": corpus, "prior": "af_af", "status": "ok"} for corpus in one.metrics.corpus.unique()]
    assert _coverage(["af_af"], PUBLISHED, here, [])["measured"] == (2 if counts else 1)


def test_a_row_with_few_seeds_in_float32_decides_nothing(tmp_path: Path) -> None:
    row = ("nottingham", "af_af")
    here = [
        kept(tmp_path / "paper", {**FLOAT32, row: [2.4]}),
        kept(tmp_path / "fast", {("jsb_chorales", "af_af"): [6.61, 6.63, 6.69], row: [2.5]}, "model.precision"),
    ]
    assert [pair.verdict for pair in pairs(here)] == ["no difference", "too few seeds"] and bfloat16_counts(here)
    assert not bfloat16_counts([kept(tmp_path / "one", {row: [2.4]}), here[1]])


def test_decision_11_says_what_the_kept_runs_show() -> None:
    text = (ROOT / "docs" / "decisions" / "011-speed-of-a-step.md").read_text(encoding="utf-8")
    here = all_kept(ROOT)
    on_jsb = {pair.lead.better.label: pair for pair in pairs(here) if pair.corpus == "jsb_chorales"}
    lstm, flow = on_jsb["LSTM"], on_jsb["AF / AF"]
    words = (
        f"{flow.lead.better.label} {flow.lead.worse.mean:.3f} in bfloat16 and {flow.lead.better.mean:.3f} in float32",
        f"the {lstm.lead.better.label} {lstm.lead.worse.mean:.3f} and {lstm.lead.better.mean:.3f}",
        f"its interval, {lstm.lead.reach:.3f}",
    )
    assert bfloat16_counts(here) and {lstm.verdict, flow.verdict} == {"no difference"}
    assert all(said in " ".join(text.split()) for said in words), words


def test_nothing_is_said_without_rows_in_both(tmp_path: Path) -> None:
    here = [kept(tmp_path / "paper", FLOAT32)]
    assert precision_section(here) == [] and not bfloat16_counts(here)
