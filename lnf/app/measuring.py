"""Keep what a configuration measured: copy its runs' facts to reports/measured/NAME and write what is made of them."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pandas import DataFrame

from lnf.app.kept_studies import STUDIES, rows_of_study
from lnf.errors import UserError
from lnf.plan.jobs import Job
from lnf.plan.origin import Identity, planned_data
from lnf.plan.results import Plan, told_of
from lnf.plan.run import UNFINISHED
from lnf.plan.stages import tables_of
from lnf.report.figures import comparison
from lnf.report.frames import mappings, write_csv
from lnf.report.gather import references_of, rows_of_run
from lnf.report.measured.archive import Facts, Kept, all_kept, configuration_of, kept_places, place, read_texts
from lnf.report.measured.candidates import Candidate, Choice, choose, names_of, require_known
from lnf.report.measured.documents import show
from lnf.report.metrics import METRICS
from lnf.report.outcomes import outcomes
from lnf.report.tables import on_test, read_published, summarise, write_table
from lnf.runs.keeper import Keeper
from lnf.runs.training import HISTORY
from lnf.system.files import try_read_json, write_json
from lnf.system.sealed import read_rows


def keep_measured(plan: Plan, results: Path = Path("results"), drop: bool = False) -> None:
    """Copy the facts of a plan's runs from a folder of results to reports/measured/NAME, and show them.

    Runs are recognised by settings and data, so that `results` may be of an older revision. A run that is not there
    stays as it was kept before. Prints what is kept, and what is replaced with what. Raises UserError, and changes
    nothing, if test was left out, if no run began, if one was made by sources that the project's history does not have,
    if a kept run cannot be read, or if one would be lost, unless `drop`.
    """
    if not all(run.spec.evaluate.test for run in plan.runs):
        raise UserError(
            f"measured: {plan.name}: its runs are not scored on test; of a sweep, run best.yaml, and keep that"
        )
    root = plan.config.root
    folder = root / "reports" / "measured" / plan.name
    _recover(folder)
    data = {name: _data(corpus) for name, corpus in plan.corpora.items()}
    choices = [choose(run, data[run.spec.corpus], results, folder) for run in plan.runs]
    if not any(choice.found for choice in choices):
        raise UserError(f"measured: {plan.name}: no run has begun in {results}; run the workflow first")
    lost = list(_lost(choices, folder))
    if lost and not drop:
        raise UserError(
            f"measured: {plan.name}: {len(lost)} kept run{'s' * (len(lost) > 1)} would be lost: {'; '.join(lost)};"
            " train what takes its place, keep them under a configuration of another name, or give --drop"
        )
    for choice in choices:
        if choice.found and not choice.stays:
            require_known(choice.found.facts, root)
    with tempfile.TemporaryDirectory() as scratch:
        _copy(plan, choices, results, folder, Path(scratch))
        _replace(folder, Path(scratch))
    for line in [*_told(choices), *(f"dropped {line}" for line in lost)]:
        print(f"lnf: {plan.name}: {line}")
    make_again(root)
    print(f"lnf: {plan.name}: kept in {folder}, shown in README.md and docs/results.md", flush=True)


def make_again(root: Path) -> None:
    """Write all that is made of kept results again: tables, figures, docs/results.md, the README's block."""
    published = read_published(root / "reports" / "paper.csv")
    for kept in all_kept(root):
        write_made(kept, published)
    show(root)


def _data(corpus: Job) -> Identity:
    """The data that a plan asks for, with the sequences where they are prepared here."""
    meta = try_read_json(corpus.folder / "meta.json") or {}
    return planned_data(corpus.arguments["settings"], meta.get("contents"))


def _lost(choices: Sequence[Choice], folder: Path) -> Iterable[str]:
    """The kept runs that would be lost, each with its differences from the plan."""
    planned = {place(folder, names_of(choice.run)) for choice in choices}
    for choice in choices:
        if choice.lost:
            yield f"{choice.run.spec.key} ({'; '.join(choice.differs)})"
    yield from (f"{'/'.join(path.parts[-3:])} (not planned)" for path in kept_places(folder) if path not in planned)


def _told(choices: Sequence[Choice]) -> Iterable[str]:
    """What is kept, and what is replaced with what, in lines."""
    stay: dict[str, list[str]] = {}
    for choice in choices:
        if choice.kept is not None and choice.stays:
            stay.setdefault(configuration_of(choice.kept.folder), []).append(choice.run.spec.key)
    for name, keys in stay.items():
        whose = "as before" if name == choices[0].run.context.name else f"as {name} keeps them"
        yield f"{len(keys)} kept {whose}: {', '.join(keys)}"
    for choice in choices:
        if choice.found and not choice.stays:
            now = _in_words(choice.found.facts)
            if choice.kept is None:
                yield f"new: {choice.run.spec.key}, {now}"
            elif not choice.same:
                why = f" ({'; '.join(choice.differs)})" if choice.differs else ""
                yield f"replaced: {choice.run.spec.key}{why}, {_in_words(choice.kept.facts)}, with {now}"


def _in_words(facts: Facts) -> str:
    return f"{facts['status']} of revision {str(facts['revision'])[:12]}"


def _aside(folder: Path) -> tuple[Path, Path]:
    """Where the new and the old files of a folder are while one takes the other's place."""
    return folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")


def _recover(folder: Path) -> None:
    """Put back what a kill left aside: the old files if the new ones did not take their place."""
    new, old = _aside(folder)
    if old.exists() and not folder.exists():
        os.rename(old, folder)
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)


def _replace(folder: Path, scratch: Path) -> None:
    """Put the files of `scratch` in the place of a folder. What a kill leaves aside, the next call puts back."""
    new, old = _aside(folder)
    shutil.copytree(scratch, new)
    if folder.exists():
        os.rename(folder, old)
    os.rename(new, folder)
    shutil.rmtree(old, ignore_errors=True)


def _copy(plan: Plan, choices: Sequence[Choice], results: Path, before: Path, folder: Path) -> None:
    """Every file of `lnf.report.measured.archive` that is copied, not made; `before` holds what was kept earlier."""
    for choice in choices:
        _copy_run(choice, folder)
    write_csv(folder / "references.csv", METRICS.names, _references(plan, before))
    first = {(choice.run.spec.corpus, choice.run.spec.prior.name): choice for choice in reversed(choices)}
    for study in STUDIES:
        models = [choice for choice in choices if choice in first.values()]
        if rows := [row for choice in models for row in rows_of_study(study, choice, results, before)]:
            write_csv(folder / study.file, study.columns, rows)
    runs = [names_of(choice.run) for choice in choices]
    write_json(folder / "plan.json", {"name": plan.name, "note": plan.config["note"], "options": plan.config["tables"],
                                      "runs": runs})  # fmt: skip


def _copy_run(choice: Choice, folder: Path) -> None:
    """A run's files: of the results, or as they were kept before."""
    target = place(folder, names_of(choice.run))
    if choice.kept is not None and choice.stays:
        shutil.copytree(choice.kept.folder, target)
        return
    if choice.found is None:
        write_csv(target / "evaluation.csv", METRICS.names, rows_of_run(told_of(choice.run), existing=True))
        return
    facts, history = _as_far_as_it_came(choice.found)
    write_csv(target / "evaluation.csv", METRICS.names, choice.found.metrics)
    write_json(target / "run.json", facts)
    write_csv(target / "history.csv", HISTORY.names, history)


def _as_far_as_it_came(found: Candidate) -> tuple[Facts, list[dict[str, Any]]]:
    """(what a run says of itself, its epochs); of one that was cut, as far as it came."""
    if (found.folder / "run.json").exists():
        return found.facts, read_rows(found.folder / "history.parquet")
    state = Keeper(found.folder, found.facts["digests"]).good(torch.device("cpu"))
    came = {"status": UNFINISHED, "epochs": state["epoch"], "wall_seconds": state["seconds"]}
    return {**found.facts, **came}, state["history"]


def _references(plan: Plan, before: Path) -> Sequence[Mapping[str, Any]]:
    """What generated corpora say of themselves, here or as it was kept."""
    here = [row for corpus in plan.gathered.arguments["corpora"] for row in references_of(corpus)]
    there = {row["corpus"] for row in here}
    kept = read_texts(before / "references.csv", METRICS.names)
    return here + mappings(kept[kept.corpus.isin(plan.corpora.keys() - there)])


def write_made(kept: Kept, published: DataFrame) -> None:
    """FOLDER/tables and FOLDER/figures/results.png, from the other files of the folder and the paper's numbers."""
    write_kept_tables(kept, published, kept.folder / "tables")
    comparison.draw(outcomes(kept.metrics), on_test(published), kept.folder / "figures", ["png"])


def write_kept_tables(kept: Kept, published: DataFrame, out: Path) -> None:
    """OUT/TABLE.{csv, md}, those that have a row."""
    out.mkdir(parents=True, exist_ok=True)
    for table, name in tables_of(kept.metrics.kind.unique()).items():
        cells = summarise(table, kept.metrics, published)
        if len(cells):
            write_table(out / name, table, cells, published, kept.plan["options"], ("md",))
