"""What was expected before the runs, and whether it came so: reports/hypotheses.csv against kept results."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from pandas import DataFrame

from lnf.report.frames import read_csv
from lnf.report.outcomes import over_seeds, reach


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
    columns = ["configuration", "corpus", "worse", "better", "margin"]
    rows = read_csv(path)[columns].astype({"margin": float})
    return [Hypothesis(*row) for row in rows.itertuples(index=False, name=None)]


def findings(hypotheses: Sequence[Hypothesis], configuration: str, metrics: DataFrame) -> list[Finding]:
    """The result of each of a configuration's hypotheses, from its metrics."""
    nll = metrics[(metrics.split == "test") & (metrics.metric == "nll") & (metrics.status == "ok")]
    seeds = nll.dropna(subset="seed").pivot(index=["corpus", "seed"], columns="prior", values="value")
    found = []
    for one in hypotheses:
        if one.configuration == configuration:
            here = seeds[seeds.index.get_level_values("corpus") == one.corpus].droplevel("corpus")
            here = here.reindex(columns=[one.worse, one.better])
            differences = (here[one.worse] - here[one.better]).dropna()
            found.append(Finding(one, dict(zip(map(int, differences.index), map(float, differences), strict=True))))
    return found
