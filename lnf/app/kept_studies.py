"""What is kept of the studies of a configuration's models, next to their runs."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lnf.plan.jobs import SPEC
from lnf.report.frames import mappings
from lnf.report.measured.archive import BOUNDS, SPEED, read_texts
from lnf.report.measured.candidates import Choice
from lnf.studies.speed import times_of, where
from lnf.system.files import read_json
from lnf.system.sealed import read_rows


class Study(NamedTuple):
    """A study of which `file` is kept: the rows of each model, made by `rows` from the file `made` of the stage."""

    stage: str
    made: str
    file: str
    columns: Sequence[str]
    rows: Callable[[Path, str], Iterable[Mapping[str, Any]]]


def rows_of_study(study: Study, choice: Choice, results: Path, before: Path) -> Sequence[Mapping[str, Any]]:
    """A study's rows of a run's model: from the newest in the results, or as they were kept `before`."""
    spec = choice.run.spec
    made = (results / choice.run.context.name / study.stage / spec.corpus).glob("*/" + study.made)
    for file in sorted(made, key=lambda path: path.stat().st_mtime, reverse=True):
        if choice.found and choice.found.folder.relative_to(results).parts in _models_of(file):
            return [{"corpus": spec.corpus, **row} for row in study.rows(file, spec.prior.name)]
    kept = read_texts(before / study.file, study.columns)
    rows = mappings(kept[(kept.corpus == spec.corpus) & (kept.prior == spec.prior.name)])
    if rows and not (choice.stays or choice.same):
        print(f"lnf: {choice.run.context.name}: dropped the {study.stage} of {spec.key}: its model was replaced")
        return []
    return rows


def _models_of(file: Path) -> list[tuple[str, ...]]:
    """The folders of the runs that a study is of, below the folder of results."""
    made_from = read_json(file.with_name(SPEC))
    runs = [made_from["run"]] if "run" in made_from else made_from["runs"]  # of one model, or of several
    return [Path(run).parts[1:] for run in runs]


def _speeds(file: Path, prior: str) -> Iterator[dict[str, Any]]:
    for (batch, length), seconds in times_of(read_rows(file), prior).items():
        times = {"seconds": statistics.median(seconds), "low": min(seconds), "high": max(seconds)}
        key = {"prior": prior, "batch": batch, "length": length}
        yield {**key, **times, "repeats": len(seconds), "where": where(file.parent)}


STUDIES = (
    Study("bounds", "bounds.parquet", "bounds.csv", BOUNDS, lambda file, _: read_rows(file)),
    Study("speed", "speed.parquet", "speed.csv", SPEED, _speeds),
)
