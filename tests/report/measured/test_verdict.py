"""When a number counts as reproduced."""

from dataclasses import replace

import pytest

from lnf.report.cells import Cell
from lnf.report.measured.verdict import verdict
from lnf.report.published import Published


def cell(mean: float | None, published: float | None, mark: str = "certain", status: str = "ok") -> Cell:
    number = None if published is None else Published(published, mark, "")
    return Cell("jsb_chorales", "af_af", "AF / AF", "test", "nll", "nats/step", "importance", 30, mean, None, 1, number,
                status)  # fmt: skip


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
    assert not verdict(replace(cell(6.53, 6.53, status="partial 1/2 (diverged 1)"), failed=1))


def test_a_verdict_has_its_miss_and_the_error_over_seeds() -> None:
    three = replace(cell(6.639, 6.53), sd=0.052, n=3)
    assert verdict(three) == "reproduced (+1.7%, ± 0.5%)"
