"""When a number counts as reproduced."""

from types import SimpleNamespace
from typing import Any

import pytest

from lnf.report.measured.verdicts import verdict


def cell(mean: float | None, published: float | None, mark: str = "certain", **others: Any) -> SimpleNamespace:
    """A row of a table."""
    values = {"mean": mean, "sd": None, "n": 1, "published": published, "published_mark": mark, "failed": 0}
    return SimpleNamespace(**values | others)


@pytest.mark.parametrize(
    ("mean", "found"),
    [(6.53, "reproduced"), (6.66, "reproduced"), (6.40, "reproduced"), (6.67, "worse"), (6.39, "better")],
)
def test_a_number_is_held_against_the_published_one(mean: float, found: str) -> None:
    assert verdict(cell(mean, 6.53)).partition(" (")[0] == found


@pytest.mark.parametrize(("mean", "found"), [(6.6, "agrees"), (7.0, "disagrees: worse"), (6.0, "disagrees: better")])
def test_a_recalled_number_is_not_reproduced(mean: float, found: str) -> None:
    assert verdict(cell(mean, 6.53, "memory")).partition(" (")[0] == found


def test_there_is_no_verdict_without_both_numbers_of_a_finished_row() -> None:
    assert not verdict(cell(None, 6.53)) and not verdict(cell(6.53, None))


def test_missing_seeds_leave_a_verdict_and_failed_ones_do_not() -> None:
    assert verdict(cell(6.53, 6.53, status="partial 1/2 (unfinished 1)")) == "reproduced (+0.0%, one seed)"
    assert not verdict(cell(6.53, 6.53, status="partial 1/2 (diverged 1)", failed=1))


def test_a_verdict_has_its_miss_and_its_interval_over_seeds() -> None:
    """Student's t has 4.303 for three seeds and 12.706 for two."""
    assert verdict(cell(6.639, 6.53, sd=0.052, n=3)) == f"reproduced (+1.7%, ± {4.303 * 0.052 / 3**0.5 / 6.53:.1%})"
    assert verdict(cell(6.639, 6.53, sd=0.052, n=2)) == f"reproduced (+1.7%, ± {12.706 * 0.052 / 2**0.5 / 6.53:.1%})"
