"""What came of each variant on each corpus, from the rows of gathered metrics."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev

from lnf.report.cell_status import status_of
from lnf.report.gather import Row
from lnf.units import UNITS

LIMIT = "source"
"""The row of a generated corpus' own source."""


@dataclass(frozen=True)
class Outcome:
    """One variant on one corpus: a value of each (split, metric) for each seed (None: a reference), in `unit`. `k`: the
    importance samples of its NLL; None where that is exact.
    """

    corpus: str
    kind: str
    prior: str
    label: str
    role: str
    unit: str
    status: str
    k: int | None = None
    values: dict[tuple[str, str], dict[int | None, float]] = field(default_factory=dict)

    def of(self, metric: str, split: str = "test") -> list[float]:
        """The values of all seeds."""
        return list(self.values.get((split, metric), {}).values())

    def mean(self, metric: str, split: str = "test") -> float | None:
        """Their mean; None without one."""
        values = self.of(metric, split)
        return mean(values) if values else None

    def spread(self, metric: str, split: str = "test") -> float:
        """Their standard deviation (n-1), 0 with fewer than two."""
        values = self.of(metric, split)
        return stdev(values) if len(values) > 1 else 0.0

    @property
    def trained(self) -> bool:
        """Whether it is a variant, not a reference."""
        return self.role != "reference"


def outcomes(rows: Sequence[Row]) -> dict[str, list[Outcome]]:
    """Corpus -> its variants in the order of the metrics, references last."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row["corpus"], row["prior"]), []).append(row)
    found: dict[str, list[Outcome]] = {}
    for (corpus, _), mine in grouped.items():
        found.setdefault(corpus, []).append(_outcome(mine))
    return found


def _outcome(rows: Sequence[Row]) -> Outcome:
    first = rows[0]
    names = {key: first[key] for key in ("corpus", "kind", "prior", "label", "role")}
    k = next((row["k"] for row in rows if row["metric"] == "nll" and row.get("k") is not None), None)
    outcome = Outcome(**names, unit=UNITS[first["kind"]][0], status=status_of(rows), k=k)
    for row in _numbers(rows):
        outcome.values.setdefault((row["split"], row["metric"]), {})[row["seed"]] = row["value"]
    return outcome


def _numbers(rows: Sequence[Row]) -> Iterator[Row]:
    return (row for row in rows if row["status"] == "ok" and row["value"] is not None)
