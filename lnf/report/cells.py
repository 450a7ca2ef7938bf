"""What a table is made of, between the metrics and their rendering."""

from dataclasses import dataclass

BASE = "af_af"
"""The row that ablations are held against."""


@dataclass(frozen=True)
class Published:
    """A number of the paper; `mark` is certain or memory (recalled, not read again)."""

    value: float
    mark: str
    label: str


@dataclass(frozen=True)
class Cell:
    """One quantity of one variant over its finished seeds, in `unit`.

    `mean` is None if no seed gave a number, `sd` (n-1) if fewer than two did; `n` counts finished seeds; `published` is
    the paper's number where it has one for this metric and split.
    """

    corpus: str
    prior: str
    label: str
    split: str
    metric: str
    unit: str
    estimator: str | None
    k: int | None
    mean: float | None
    sd: float | None
    n: int
    published: Published | None
    status: str
