"""What is kept of a measured configuration, and how it is read.

plan.json                         name, note, options of the tables, the runs in their order
runs/CORPUS/PRIOR/SEED/run.json   what the run says of itself; of a run that was cut, its epochs and "unfinished"
runs/CORPUS/PRIOR/SEED/history.csv, evaluation.csv
references.csv                    what generated corpora say of themselves
bounds.csv                        NLL by the number of importance samples, if it was studied
speed.csv                         seconds of sampling, if they were studied
tables/*, figures/results.png     made of these files alone
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas
from pandas import DataFrame

from lnf.errors import UserError
from lnf.report.frames import read_csv
from lnf.report.metrics import METRICS
from lnf.spec import ModelSpec, read_spec
from lnf.system.files import first_line, read_json

Facts = dict[str, Any]
SECONDS_AN_HOUR = 3600
_RESTORE = "restore it with git, or move its folder away"
BOUNDS = ("corpus", "prior", "k", "unit", "nll", "nll_given_length", "error", "gain", "gain_error", "n", "flat")
"""Columns of bounds.csv."""
SPEED = ("corpus", "prior", "batch", "length", "seconds", "low", "high", "repeats", "where")
"""Columns of speed.csv: the median of the repeats, and their range."""
SIZES = frozenset(f"model.{name}" for name, setting in ModelSpec.model_fields.items() if setting.annotation is int)
"""The settings that make a model larger or smaller: its whole numbers, of units and of layers."""


def place(folder: Path, run: Mapping[str, Any]) -> Path:
    """The folder of a run's files; `run` has corpus, prior and seed."""
    return folder / "runs" / str(run["corpus"]) / str(run["prior"]) / str(run["seed"])


def configuration_of(place: Path) -> str:
    """The name of the configuration of which a run is kept."""
    return place.parents[3].name


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


def read_metrics_of(place: Path) -> DataFrame:
    """The metrics of a kept run."""
    return read_csv(place / "evaluation.csv", METRICS)


class Kept:
    """A measured configuration, from its folder; each file is read once, when it is first used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def plan(self) -> Facts:
        """plan.json."""
        plan: Facts = read_json(self.folder / "plan.json")
        return plan

    @cached_property
    def metrics(self) -> DataFrame:
        """The metrics of all runs and of the references, as they were gathered."""
        files = [place(self.folder, run) / "evaluation.csv" for run in self.plan["runs"]]
        frames = [read_csv(file, METRICS) for file in [*files, self.folder / "references.csv"]]
        return pandas.concat([frame for frame in frames if len(frame)], ignore_index=True)

    @cached_property
    def facts(self) -> list[Facts]:
        """run.json of each run that began, in the order of the plan."""
        found = [read_kept(place(self.folder, run)) for run in self.plan["runs"]]
        return [facts for facts in found if facts is not None]

    @cached_property
    def bounds(self) -> DataFrame:
        """bounds.csv, as texts; no rows without it."""
        return read_texts(self.folder / "bounds.csv", BOUNDS)

    @cached_property
    def speed(self) -> DataFrame:
        """speed.csv, as texts; no rows without it."""
        return read_texts(self.folder / "speed.csv", SPEED)

    @cached_property
    def changed(self) -> set[str]:
        """The settings in which a run differs from the paper's."""
        return {key for facts in self.facts for key in facts["differs_from_paper"]}

    @property
    def at_paper_settings(self) -> bool:
        """Whether no setting of any run differs from the paper's."""
        return not self.changed

    @property
    def in_bfloat16(self) -> bool:
        """Whether its runs differ from the paper's settings in their precision alone."""
        return self.changed == {"model.precision"}

    @property
    def of_paper_models(self) -> bool:
        """Whether every run trains a model of the paper's size on all of its corpus, in whatever way."""
        return not any(key in SIZES or key.startswith("subset.") for key in self.changed)

    @property
    def comparable(self) -> bool:
        """Whether its numbers can be compared with the published ones: of the paper's models, by as many samples."""
        return self.of_paper_models and "evaluate.samples" not in self.changed


def all_kept(root: Path) -> list[Kept]:
    """What is kept in a project: what has the paper's settings first."""
    found = [Kept(path.parent) for path in sorted((root / "reports" / "measured").glob("*/plan.json"))]
    return sorted(found, key=lambda one: not one.at_paper_settings)


def read_texts(path: Path, columns: Sequence[str]) -> DataFrame:
    """A CSV file as texts; no rows without it."""
    return read_csv(path) if path.exists() else DataFrame(columns=list(columns))


def hours_of(facts: Iterable[Facts]) -> float:
    """Hours that runs took to be trained, those before a cut too."""
    return sum(float(one["wall_seconds"]) for one in facts) / SECONDS_AN_HOUR
