"""Which rankings of the paper the kept results confirm: every two rows of a corpus that it has numbers of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean

from lnf.report.gather import Row
from lnf.report.intervals import over_seeds, reach, together
from lnf.report.published import Published, PublishedKey


@dataclass(frozen=True)
class Side:
    """A row of a corpus: its published NLL on test, and ours by seed."""

    label: str
    published: Published
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
        return self.worse.published.value - self.better.published.value

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


def rankings(rows: Sequence[Row], published: Mapping[PublishedKey, Published]) -> Iterator[Ranking]:
    """The rankings of the paper among the rows that have a number here."""
    sides: dict[tuple[str, str], dict[str, Side]] = {}
    for key, number in published.items():
        mine = [row for row in rows if (row["corpus"], row["prior"], row["split"], row["metric"], row["status"])
                == (key.corpus, key.prior, "test", "nll", "ok")]  # fmt: skip
        if mine and (key.split, key.metric) == ("test", "nll"):
            values = tuple(float(row["value"]) for row in mine)
            side = Side(mine[0]["label"], number, values, mine[0]["estimator"] == "exact")
            sides.setdefault((key.table, key.corpus), {})[key.prior] = side
    for (_, corpus), here in sides.items():
        for one, other in combinations(here.values(), 2):
            better, worse = sorted((one, other), key=lambda side: side.published.value)
            if better.published.value < worse.published.value:
                yield Ranking(corpus, better, worse)
