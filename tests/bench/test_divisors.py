"""bench/divisors.py: one likelihood by what it is divided by."""

import pytest
from pandas import DataFrame

from bench.divisors import by_divisor


def test_a_likelihood_by_its_divisors() -> None:
    rows = DataFrame({"length": [1, 3], "log_prob": [-3.0, -8.0], "log_prob_given_length": [-2.0, -3.0]})
    assert list(by_divisor(rows).values()) == pytest.approx([11 / 6, 5 / 4, (3 / 2 + 8 / 4) / 2, (2 + 1) / 2])
