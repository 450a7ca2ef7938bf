"""What was expected before the runs, and whether it came so: reports/hypotheses.csv against kept results."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from lnf.report.gather import Row
from lnf.report.intervals import over_seeds, reach


@dataclass(frozen=True)
class Hypothesis:
    """NLL on test of `worse` exceeds that of `better` by at least `margin`, in the corpus' unit."""

    configuration: str
    corpus: str
    worse: str
    better: str
    margin: float


@dataclass(frozen=True)
class Finding:
    """The differences worse - better by seed, those that both finished."""

    hypothesis: Hypothesis
    differences: dict[int, float]

    @property
    def mean(self) -> float | None:
        """Their mean; None without a seed."""
        return mean(self.differences.values()) if self.differences else None

    @property
    def verdict(self) -> str:
        """held | not held | undecided, or "not run" without a seed. One seed decides nothing."""
        values = [value - self.hypothesis.margin for value in self.differences.values()]
        if not values:
            return "not run"
        error = over_seeds(values)
        if error is None or abs(mean(values)) <= reach(error):
            return "undecided"
        return "held" if mean(values) > 0 else "not held"


def read_hypotheses(path: Path) -> list[Hypothesis]:
    """The hypotheses of reports/hypotheses.csv."""
    with path.open(newline="", encoding="utf-8") as stream:
        return [Hypothesis(row["configuration"], row["corpus"], row["worse"], row["better"], float(row["margin"]))
                for row in csv.DictReader(stream)]  # fmt: skip


def findings(hypotheses: Sequence[Hypothesis], configuration: str, rows: Sequence[Row]) -> list[Finding]:
    """What came of a configuration's hypotheses, from the rows of its metrics."""
    nll = {(row["corpus"], row["prior"], row["seed"]): row["value"] for row in rows
           if (row["split"], row["metric"], row["status"]) == ("test", "nll", "ok")}  # fmt: skip
    found = []
    for one in hypotheses:
        if one.configuration == configuration:
            seeds = sorted(seed for corpus, prior, seed in nll if (corpus, prior) == (one.corpus, one.worse))
            pairs = {
                seed: (nll[one.corpus, one.worse, seed], nll.get((one.corpus, one.better, seed))) for seed in seeds
            }
            found.append(Finding(one, {seed: a - b for seed, (a, b) in pairs.items() if b is not None}))
    return found
