"""Intervals of means, by Student's t: how sure a difference is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import variance

from scipy import stats

SURE = 0.95
"""The share of such intervals that hold the true value."""


@dataclass(frozen=True)
class Error:
    """A standard error, squared, and its degrees of freedom."""

    variance: float
    freedom: float


def over_seeds(values: Sequence[float]) -> Error | None:
    """The error of the mean over seeds; None with fewer than two."""
    return Error(variance(values) / len(values), len(values) - 1) if len(values) > 1 else None


def together(errors: Sequence[Error]) -> Error:
    """The error of a sum of independent parts, its degrees of freedom by Welch and Satterthwaite."""
    total = sum(one.variance for one in errors)
    weights = sum(one.variance**2 / one.freedom for one in errors)
    return Error(total, total**2 / weights if weights > 0 else float("inf"))


def reach(error: Error) -> float:
    """Half the width of the SURE interval."""
    quantile = float(stats.t.ppf((1 + SURE) / 2, error.freedom))
    return quantile * math.sqrt(error.variance)
