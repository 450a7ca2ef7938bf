"""What a table is made of, between the metrics and their rendering."""

from dataclasses import dataclass

from lnf.report.published import Published

BASE = "af_af"
"""The row that ablations are held against."""

NAMES = {
    "nll": "NLL",
    "nll_given_length": "NLL given T",
    "elbo": "ELBO",
    "reconstruction": "reconst.",
    "kl": "KL",
    "length": "length",
}
"""Metric -> heading of its column."""


@dataclass(frozen=True)
class Cell:
    """One quantity of one variant over its finished seeds, in `unit`.

    `mean` is None if no seed gave a number, `sd` (n-1) if fewer than two did; `n` counts finished seeds, and
    `failed` those that diverged or ended in an error; `published` is the paper's number where it has one for this
    metric and split.
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
    failed: int = 0
