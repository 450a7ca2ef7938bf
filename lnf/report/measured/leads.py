"""By how much one row's NLL on test lies below another's, and what that decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean

from pandas import DataFrame

from lnf.report.outcomes import over_seeds, reach, together

CONFIRMED, CONTRADICTED, UNDECIDED, NOT_RUN = "confirmed", "contradicted", "undecided", "not run"


@dataclass(frozen=True)
class Side:
    """A row of a corpus: its NLL on test by seed."""

    label: str
    values: tuple[float, ...]
    exact: bool

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return mean(self.values)


@dataclass(frozen=True)
class Lead:
    """Two rows of which `better` is said to lie below `worse`, by at least `margin`, in the corpus' unit."""

    better: Side
    worse: Side
    margin: float = 0.0

    @property
    def mean(self) -> float:
        """How far the mean over seeds of `better` lies below that of `worse`."""
        return self.worse.mean - self.better.mean

    @property
    def reach(self) -> float | None:
        """Half the 95 % interval of the lead over seeds; None unless both rows have two seeds."""
        errors = [over_seeds(side.values) for side in (self.better, self.worse)]
        known = [error for error in errors if error is not None]
        return reach(together(known)) if len(known) == len(errors) else None

    @property
    def verdict(self) -> str:
        """confirmed | contradicted | undecided. An exact NLL below a bound decides nothing: the bound may be loose."""
        if self.reach is None or abs(self.mean - self.margin) <= self.reach:
            return UNDECIDED
        if self.mean > self.margin:
            loose = self.better.exact and not self.worse.exact
        else:
            loose = self.worse.exact and not self.better.exact
        if loose:
            return f"{UNDECIDED} (a bound)"
        return CONFIRMED if self.mean > self.margin else CONTRADICTED


def sides(metrics: DataFrame) -> Mapping[tuple[str, str], Side]:
    """(corpus, prior) -> its finished seeds."""
    nll = metrics[(metrics.split == "test") & (metrics.metric == "nll") & (metrics.status == "ok")]
    return {
        (mine.corpus.iloc[0], mine.prior.iloc[0]): Side(
            mine.label.iloc[0], tuple(mine.value), mine.estimator.iloc[0] == "exact"
        )
        for _, mine in nll.groupby(["corpus", "prior"], sort=False)
    }
