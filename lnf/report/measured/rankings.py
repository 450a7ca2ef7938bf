"""Which rankings of the paper the kept results confirm: every two rows of a corpus that it has numbers of."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from pandas import DataFrame

from lnf.report.frames import records
from lnf.report.measured.leads import Lead, sides


@dataclass(frozen=True)
class Ranking:
    """Two rows of which the paper has one lower, by `published` in the corpus' unit, and ours."""

    corpus: str
    published: float
    recalled: bool
    lead: Lead


def rankings(metrics: DataFrame, published: DataFrame) -> Iterator[Ranking]:
    """The rankings of the paper among the rows that have a number here."""
    measured = sides(metrics)
    known = published[(published.split == "test") & (published.metric == "nll")]
    for _, rows in known.groupby(["table", "corpus"], sort=False):
        corpus = str(rows.corpus.iloc[0])
        mine = [(row, measured[corpus, row.prior]) for row in records(rows) if (corpus, row.prior) in measured]
        for pair in combinations(mine, 2):
            (low, better), (high, worse) = sorted(pair, key=lambda one: one[0].published)
            if low.published < high.published:
                recalled = "memory" in (low.published_mark, high.published_mark)
                yield Ranking(corpus, high.published - low.published, recalled, Lead(better, worse))
