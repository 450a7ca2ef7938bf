"""The paper's own numbers."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class PublishedKey(NamedTuple):
    """Where a number stands."""

    table: str
    corpus: str
    prior: str
    split: str
    metric: str


@dataclass(frozen=True)
class Published:
    """A number of the paper; `mark` is certain or memory (recalled, not read again)."""

    value: float
    mark: str
    label: str


def read_published(path: Path) -> dict[PublishedKey, Published]:
    """The numbers of reports/paper.csv."""
    with path.open(newline="", encoding="utf-8") as stream:
        return {
            PublishedKey(*(row[name] for name in PublishedKey._fields)): Published(
                float(row["value"]), row["mark"], row["label"]
            )
            for row in csv.DictReader(stream)
        }
