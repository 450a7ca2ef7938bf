"""A hypothesis holds, fails, or is left open."""

from typing import Any

import pytest

from lnf.plan import config
from lnf.plan.config import ROOT
from lnf.report.frames import frame_of
from lnf.report.gather import METRICS
from lnf.report.measured.hypotheses import Finding, Hypothesis, findings, read_hypotheses

ONE = Hypothesis("small", "ptb", "af_only", "lstm", 0.3)


def row(prior: str, seed: int, value: float, **others: Any) -> dict[str, Any]:
    head = {"corpus": "ptb", "prior": prior, "seed": seed, "split": "test", "metric": "nll", "status": "ok"}
    return {**head, "value": value, **others}


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([0.5, 0.52, 0.51], "held"),
        ([0.1, 0.12, 0.11], "not held"),
        ([0.1, 0.5, 0.4], "undecided"),
        ([0.9], "undecided"),
        ([], "not run"),
    ],
)
def test_a_difference_is_held_against_its_margin(differences: list[float], verdict: str) -> None:
    assert Finding(ONE, dict(enumerate(differences))).verdict == verdict


def test_differences_are_of_seeds_that_both_finished() -> None:
    finished = [row("af_only", 0, 2.0), row("af_only", 1, 2.1), row("lstm", 0, 1.5), row("lstm", 1, 1.5)]
    others = [row("af_only", 2, 9.0), row("lstm", 2, 1.0, status="diverged"), row("lstm", 0, 7.0, split="valid")]
    (found,) = findings(
        [ONE, Hypothesis("other", "ptb", "af_only", "lstm", 0.0)], "small", frame_of(finished + others, METRICS)
    )
    assert found.differences == pytest.approx({0: 0.5, 1: 0.6}) and found.mean == pytest.approx(0.55)


def test_hypotheses_are_of_variants_and_corpora_that_there_are() -> None:
    made = config.load(config.read())
    known = read_hypotheses(ROOT / "reports" / "hypotheses.csv")
    assert known
    for one in known:
        assert {one.worse, one.better} <= set(made.priors) and one.corpus in made["corpora"]
        assert (ROOT / "workflow" / "configs" / f"{one.configuration}.yaml").exists()
