"""What is kept of a measured configuration, and how it is read.

plan.json                         name, note, options of the tables, the runs in their order, the corpora's data
runs/CORPUS/PRIOR/SEED/run.json   what the run says of itself; of a run that was cut, its epochs and "unfinished"
runs/CORPUS/PRIOR/SEED/history.csv, evaluation.csv
references.csv                    what generated corpora say of themselves
bounds.csv                        NLL by the number of importance samples, if it was looked at
tables/*, figures/results.png     made of these files alone
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow

from lnf.report.gather import METRICS, Row
from lnf.spec import ModelSpec
from lnf.system.files import read_json, replacing

Facts = dict[str, Any]
SECONDS_AN_HOUR = 3600
BOUNDS = ("corpus", "prior", "k", "unit", "nll", "nll_given_length")
"""Columns of bounds.csv."""
SIZES = frozenset(f"model.{setting.name}" for setting in fields(ModelSpec) if setting.type is int)
"""The settings that make a model larger or smaller: its whole numbers, of units and of layers."""


def place(folder: Path, run: Mapping[str, Any]) -> Path:
    """The folder of a run's files; `run` has corpus, prior and seed."""
    return folder / "runs" / str(run["corpus"]) / str(run["prior"]) / str(run["seed"])


def read_plan(folder: Path) -> Facts:
    """plan.json."""
    plan: Facts = read_json(folder / "plan.json")
    return plan


def read_rows(folder: Path) -> list[Row]:
    """The rows of metrics, as they were gathered."""
    files = [place(folder, run) / "evaluation.csv" for run in read_plan(folder)["runs"]]
    return [row for file in [*files, folder / "references.csv"] for row in _metrics(file)]


def read_facts(folder: Path) -> list[Facts]:
    """run.json of each run that began, in the order of the plan."""
    files = [place(folder, run) / "run.json" for run in read_plan(folder)["runs"]]
    return [read_json(file) for file in files if file.exists()]


def at_paper_settings(folder: Path) -> bool:
    """Whether no setting of any run differs from the paper's."""
    return not _changed(folder)


def of_paper_models(folder: Path) -> bool:
    """Whether every run trains a model of the paper's size on all of its corpus, in whatever way."""
    return not any(key in SIZES or key.startswith("subset.") for key in _changed(folder))


def beside_published(folder: Path) -> bool:
    """Whether its numbers can be held against the published ones: of the paper's models, by as many samples."""
    return of_paper_models(folder) and "evaluate.samples" not in _changed(folder)


def _changed(folder: Path) -> set[str]:
    """The settings in which a run differs from the paper's."""
    return {key for facts in read_facts(folder) for key in facts["differs_from_paper"]}


def read_bounds(folder: Path) -> list[dict[str, str]]:
    """The rows of bounds.csv; none without it."""
    path = folder / "bounds.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def hours_of(facts: Iterable[Facts]) -> float:
    """Hours that runs took to be trained, those before a cut too."""
    return sum(float(one["wall_seconds"]) for one in facts) / SECONDS_AN_HOUR


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows by column; what is None stays empty, and a float keeps every digit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(["" if row.get(column) is None else row[column] for column in columns] for row in rows)


def _metrics(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as stream:
        return [
            {field.name: _value(field.type, row[field.name]) for field in METRICS} for row in csv.DictReader(stream)
        ]


def _value(kind: pyarrow.DataType, text: str) -> Any:
    if not text:
        return None
    if pyarrow.types.is_integer(kind):
        return int(text)
    return float(text) if pyarrow.types.is_floating(kind) else text
