"""The share of a gap that a row closes."""

import pytest

from lnf.report.frames import frame_of
from lnf.report.measured import costs
from lnf.report.measured.costs import of_the_gap
from lnf.report.metrics import METRICS
from lnf.report.outcomes import Outcome, outcomes

NLL = {
    "lstm": (1.0, 1.0, 1.0), "iaf_scf": (3.0, 3.0, 3.0), "half": (2.0, 2.0, 2.0), "spread": (1.9, 2.0, 2.1),
    "worse": (4.0, 4.0, 4.0), "one": (2.5,),
}  # fmt: skip


def rows_of(values: dict[str, tuple[float, ...]]) -> dict[str, Outcome]:
    rows = [
        {"corpus": "ptb", "kind": "text", "prior": prior, "label": prior, "role": "main", "seed": seed, "split": "test",
         "metric": "nll", "unit": "bpc", "value": value, "estimator": "exact", "status": "ok"}
        for prior, seeds in values.items() for seed, value in enumerate(seeds)
    ]  # fmt: skip
    return {one.prior: one for one in outcomes(frame_of(rows, METRICS))["ptb"]}


@pytest.mark.parametrize(
    ("prior", "share"),
    # of "spread": t(0.975, 2 degrees of freedom) = 4.303, times 0.1 / sqrt(3), of a gap of 2
    [("half", "+50% ± 0%"), ("spread", "+50% ± 12%"), ("worse", "-50% ± 0%"), ("one", "+25%, one seed"), ("lstm", "")],
)
def test_the_share_of_the_gap(prior: str, share: str) -> None:
    rows = rows_of(NLL)
    found = of_the_gap(rows[prior], rows)
    assert ("" if found is None else str(found)) == share


def test_rows_are_named_by_their_side_as_far_as_that_is_settled() -> None:
    said = costs._answer(rows_of({**NLL, "wide": (2.0, 3.0, 3.9)}))
    assert said == "Below IAF / SCF: half; spread. Above it: worse. Undecided: one; wide"
    assert costs._answer(rows_of({"lstm": (1.0,), "af_af": (1.0,)})) == ""


def test_a_gap_needs_both_of_its_sides() -> None:
    rows = rows_of({prior: seeds for prior, seeds in NLL.items() if prior != "lstm"})
    assert of_the_gap(rows["half"], rows) is None


def test_there_is_no_gap_where_all_steps_at_once_are_ahead() -> None:
    rows = rows_of({**NLL, "lstm": (3.5, 3.5, 3.5)})
    assert of_the_gap(rows["half"], rows) is None and costs._answer(rows) == ""
