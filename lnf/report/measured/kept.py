"""What is kept of a measured configuration, and how it is read.

plan.json                         name, note, options of the tables, the runs in their order
runs/CORPUS/PRIOR/SEED/run.json   what the run says of itself; of a run that was cut, its epochs and "unfinished"
runs/CORPUS/PRIOR/SEED/history.csv, evaluation.csv
references.csv                    what generated corpora say of themselves
bounds.csv                        NLL by the number of importance samples, if it was looked at
tables/*, figures/results.png     made of these files alone
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow

from lnf.errors import UserError
from lnf.report.gather import METRICS, Row
from lnf.spec import ModelSpec, read_spec
from lnf.system.damage import first_line
from lnf.system.files import read_json, replacing

Facts = dict[str, Any]
SECONDS_AN_HOUR = 3600
_RESTORE = "restore it with git, or move its folder away"
BOUNDS = ("corpus", "prior", "k", "unit", "nll", "nll_given_length", "error", "gain", "gain_error", "n", "flat")
"""Columns of bounds.csv."""
SIZES = frozenset(f"model.{name}" for name, setting in ModelSpec.model_fields.items() if setting.annotation is int)
"""The settings that make a model larger or smaller: its whole numbers, of units and of layers."""


def place(folder: Path, run: Mapping[str, Any]) -> Path:
    """The folder of a run's files; `run` has corpus, prior and seed."""
    return folder / "runs" / str(run["corpus"]) / str(run["prior"]) / str(run["seed"])


def kept_places(folder: Path) -> list[Path]:
    """The folders of the runs that are kept with what they say of themselves."""
    return sorted(path.parent for path in (folder / "runs").glob("*/*/*/run.json"))


def read_kept(place: Path) -> Facts | None:
    """run.json in the folder of a kept run; None without one. Raises UserError if it cannot be read or lacks a part:
    what was measured is never taken for absent.
    """
    file = place / "run.json"
    if not file.exists():
        return None
    try:
        facts: Facts = json.loads(file.read_text(encoding="utf-8"))
        read_spec(facts["spec"], facts["format"])
        missing = [name for name in ("data", "digests", "status", "revision") if name not in facts]
    except (ValueError, KeyError, UserError) as problem:
        raise UserError(f"measured: {file}: cannot be read ({first_line(problem)}); {_RESTORE}") from None
    missing += [name for name in ("evaluation.csv", "history.csv") if not (place / name).exists()]
    if missing:
        raise UserError(f"measured: {place}: lacks {', '.join(missing)}; {_RESTORE}")
    return facts


def read_metrics_of(place: Path) -> list[Row]:
    """The rows of metrics of a kept run."""
    return _metrics(place / "evaluation.csv")


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
    found = [read_kept(place(folder, run)) for run in read_plan(folder)["runs"]]
    return [facts for facts in found if facts is not None]


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
    return _texts(folder / "bounds.csv")


def read_references(folder: Path) -> list[dict[str, str]]:
    """The rows of references.csv, as texts; none without it."""
    return _texts(folder / "references.csv")


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


def _texts(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


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
