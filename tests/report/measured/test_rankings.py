"""Which rankings of the paper are confirmed, contradicted or undecided."""

from pathlib import Path
from typing import Any

import pytest
from pandas import DataFrame

from lnf.plan.config import ROOT
from lnf.report.frames import frame_of
from lnf.report.measured.documents import _rankings
from lnf.report.measured.rankings import Ranking, rankings
from lnf.report.metrics import METRICS
from lnf.report.tables import read_published
from tests.report.fabricated import keep

PAPER = {"lstm": 8.0, "af_af": 7.0, "af_scf": 7.0}


def found(**values: list[float]) -> dict[tuple[str, str], Ranking]:
    """(better, worse) in the paper -> what comes of our values by seed."""
    place = {"table": "music", "corpus": "jsb", "split": "test", "metric": "nll", "published_mark": "certain"}
    published = DataFrame([{**place, "prior": prior, "published": value} for prior, value in PAPER.items()])
    whose = {"corpus": "jsb", "split": "test", "metric": "nll", "status": "ok"}
    rows: list[dict[str, Any]] = [
        {
            **whose,
            "prior": prior,
            "label": prior,
            "value": value,
            "estimator": "exact" if prior == "lstm" else "sampled",
        }
        for prior, mine in values.items()
        for value in mine
    ]
    return {(one.lead.better.label, one.lead.worse.label): one for one in rankings(frame_of(rows, METRICS), published)}


@pytest.mark.parametrize(
    ("lstm", "af_af", "verdict"),
    [
        ([8.0, 8.01, 8.02], [7.0, 7.01, 7.02], "confirmed"),
        ([7.0, 7.9, 8.8], [7.0, 7.5, 8.0], "undecided"),
        ([8.0], [7.0], "undecided"),
        ([8.0, 8.01], [7.0], "undecided"),
        ([7.0, 7.01, 7.02], [8.0, 8.01, 8.02], "undecided (a bound)"),
    ],
)
def test_a_ranking_needs_the_interval_over_seeds(lstm: list[float], af_af: list[float], verdict: str) -> None:
    assert found(lstm=lstm, af_af=af_af)["af_af", "lstm"].lead.verdict == verdict


def test_two_bounds_may_contradict_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAPER, "af_scf", 7.5)
    one = found(af_af=[7.4, 7.41, 7.42], af_scf=[7.0, 7.01, 7.02])["af_af", "af_scf"]
    assert one.lead.verdict == "contradicted" and one.lead.mean == pytest.approx(-0.4) and one.published == 0.5


def test_equal_published_numbers_are_no_ranking() -> None:
    assert set(found(lstm=[8.0], af_af=[7.0], af_scf=[7.0])) == {("af_af", "lstm"), ("af_scf", "lstm")}


@pytest.mark.parametrize(("seeds", "shown"), [(1, False), (3, True)])
def test_a_ranking_of_one_seed_is_not_shown(seeds: int, shown: bool, tmp_path: Path) -> None:
    head = {"corpus": "jsb_chorales", "kind": "music", "split": "test", "metric": "nll", "status": "ok"}
    rows = [
        {**head, "prior": prior, "label": label, "seed": seed, "value": value + 0.01 * seed}
        for prior, label, value in (("lstm", "LSTM", 8.2), ("af_af", "AF / AF", 6.6))
        for seed in range(seeds)
    ]
    lines = _rankings(keep(tmp_path / "small", rows), read_published(ROOT / "reports" / "paper.csv"))
    assert any(line.startswith("| jsb_chorales | AF / AF | LSTM |") for line in lines) == shown == bool(lines)
