"""Which rankings of the paper the kept results confirm: every two rows of a corpus that it has numbers of."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from statistics import mean

from pandas import DataFrame

from lnf.report.frames import records
from lnf.report.outcomes import over_seeds, reach, together


@dataclass(frozen=True)
class Side:
    """A row of a corpus: its published NLL on test, and ours by seed."""

    label: str
    published: float
    recalled: bool
    values: tuple[float, ...]
    exact: bool


@dataclass(frozen=True)
class Ranking:
    """Two rows of which the paper has `better` below `worse`, in the corpus' unit."""

    corpus: str
    better: Side
    worse: Side

    @property
    def published(self) -> float:
        """The paper's lead."""
        return self.worse.published - self.better.published

    @property
    def lead(self) -> float:
        """Ours, of the means over seeds."""
        return mean(self.worse.values) - mean(self.better.values)

    @property
    def reach(self) -> float | None:
        """Half the 95 % interval of our lead over seeds; None unless both rows have two seeds."""
        errors = [over_seeds(side.values) for side in (self.better, self.worse)]
        known = [error for error in errors if error is not None]
        return reach(together(known)) if len(known) == len(errors) else None

    @property
    def verdict(self) -> str:
        """confirmed | contradicted | undecided. An exact NLL below a bound decides nothing: the bound may be loose."""
        if self.reach is None or abs(self.lead) <= self.reach:
            return "undecided"
        lower, upper = (self.better, self.worse) if self.lead > 0 else (self.worse, self.better)
        if lower.exact and not upper.exact:
            return "undecided (a bound)"
        return "confirmed" if self.lead > 0 else "contradicted"


def rankings(metrics: DataFrame, published: DataFrame) -> Iterator[Ranking]:
    """The rankings of the paper among the rows that have a number here."""
    nll = metrics[(metrics.split == "test") & (metrics.metric == "nll") & (metrics.status == "ok")]
    measured = dict(list(nll.groupby(["corpus", "prior"], sort=False)))
    known = published[(published.split == "test") & (published.metric == "nll")]
    for (_, corpus), rows in known.groupby(["table", "corpus"], sort=False):
        sides = [
            Side(mine.label.iloc[0], row.published, row.published_mark == "memory",
                 tuple(mine.value), mine.estimator.iloc[0] == "exact")
            for row in records(rows)
            if (mine := measured.get((corpus, row.prior))) is not None
        ]  # fmt: skip
        for one, other in combinations(sides, 2):
            better, worse = sorted((one, other), key=lambda side: side.published)
            if better.published < worse.published:
                yield Ranking(str(corpus), better, worse)
