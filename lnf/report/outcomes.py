"""The result of each variant on each corpus, from gathered metrics."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev, variance

from pandas import DataFrame
from scipy.special import stdtrit

from lnf.report.tables import VARIANT, status_of, unit_of

SURE = 0.95
"""The share of such intervals that hold the true value."""

LIMIT = "source"
"""The row of a generated corpus' own source."""


@dataclass(frozen=True)
class Outcome:
    """One variant on one corpus, in `unit`: `numbers` are the metrics of its finished seeds, `k` the importance samples
    of its NLL (None where that is exact).
    """

    corpus: str
    kind: str
    prior: str
    label: str
    role: str
    unit: str
    status: str
    k: int | None
    numbers: DataFrame

    @property
    def split(self) -> str:
        """The split that is reported: test, or valid if test was left out."""
        return "valid" if set(self.numbers.split) == {"valid"} else "test"

    def of(self, metric: str) -> list[float]:
        """The values of all seeds, on the split that is reported."""
        here = (self.numbers.split == self.split) & (self.numbers.metric == metric)
        return [float(value) for value in self.numbers.value[here]]

    def mean(self, metric: str) -> float | None:
        """Their mean; None without one."""
        values = self.of(metric)
        return mean(values) if values else None

    def spread(self, metric: str) -> float:
        """Their standard deviation (n-1), 0 with fewer than two."""
        values = self.of(metric)
        return stdev(values) if len(values) > 1 else 0.0

    @property
    def trained(self) -> bool:
        """Whether it is a variant, not a reference."""
        return self.role != "reference"


def outcomes(metrics: DataFrame) -> dict[str, list[Outcome]]:
    """Corpus -> its variants in the order of the metrics, references last."""
    found: dict[str, list[Outcome]] = {}
    for (corpus, _), mine in metrics.groupby(VARIANT, sort=False):
        found.setdefault(str(corpus), []).append(_outcome(mine))
    return found


def _outcome(rows: DataFrame) -> Outcome:
    first = rows.iloc[0]
    names = {key: first[key] for key in ("corpus", "kind", "prior", "label", "role")}
    samples = rows.k[rows.metric == "nll"].dropna()
    numbers = rows[(rows.status == "ok") & rows.value.notna()]
    k = int(samples.iloc[0]) if len(samples) else None
    return Outcome(**names, unit=unit_of(rows), status=status_of(rows), k=k, numbers=numbers)


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
    quantile = float(stdtrit(error.freedom, (1 + SURE) / 2))
    return quantile * math.sqrt(error.variance)
