"""Keep what a configuration measured: copy its runs' facts to reports/measured/NAME and write what is made of them."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from lnf.errors import UserError
from lnf.plan.results import Plan
from lnf.plan.run import UNFINISHED, Run
from lnf.report.gather import METRICS, Row, gather, read_metrics
from lnf.report.measured.documents import kept_folders, show
from lnf.report.measured.earlier import bounds_before, corpora_before, facts_before, references_before
from lnf.report.measured.kept import BOUNDS, Facts, place, read_facts, write_csv
from lnf.report.measured.made import write_made
from lnf.report.measured.revisions import require_known
from lnf.runs.resume_state import RunState
from lnf.runs.training import HISTORY
from lnf.system.files import read_json, write_json
from lnf.system.parquet import read_rows


def keep_measured(plan: Plan) -> None:
    """Copy the facts of a plan's runs to reports/measured/NAME, a finished plan or not, and show them.

    A run that is not trained here stays as it was kept before, if its settings and data are the same. Raises UserError
    if no run began, or if one was made by sources that the project's history does not have.
    """
    root = plan.config.root
    folder = root / "reports" / "measured" / plan.name
    with tempfile.TemporaryDirectory() as scratch:
        _copy(plan, folder, Path(scratch))
        facts = read_facts(Path(scratch))
        if not facts or all(run.status == "not_run" for run in plan.runs):
            raise UserError(f"measured: {plan.name}: no run has begun; run the workflow first")
        for one in facts:
            require_known(one, root)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(scratch, folder)
    make_again(root)
    print(f"lnf: {plan.name}: kept in {folder}, shown in README.md and docs/results.md", flush=True)


def make_again(root: Path) -> None:
    """Write all that is made of kept results anew: tables, figures, docs/results.md, the README's block."""
    for kept in kept_folders(root):
        write_made(kept, root / "reports" / "paper.csv")
    show(root)


def _copy(plan: Plan, before: Path, folder: Path) -> None:
    """Every file of `lnf.report.measured.kept` that is copied, not made; `before` holds what was kept earlier."""
    gather(plan.gathered, folder / "metrics.parquet", existing=True)
    rows = read_metrics(folder / "metrics.parquet")
    (folder / "metrics.parquet").unlink()
    names = [{"corpus": run.spec.corpus, "prior": run.spec.prior.name, "seed": run.spec.seed} for run in plan.runs]
    for run, name in zip(plan.runs, names, strict=True):
        mine = [row for row in rows if all(row[key] == value for key, value in name.items())]
        _copy_run(run, mine, place(before, name), facts_before(before, run), place(folder, name))
    corpora = _corpora(plan, before)
    references = [row for row in rows if row["role"] == "reference"]
    there = {row["corpus"] for row in references}
    references += references_before(before, {name for name in corpora if name not in there})
    write_csv(folder / "references.csv", METRICS.names, references)
    _copy_bounds(plan, before, folder / "bounds.csv")
    write_json(folder / "plan.json", {"name": plan.name, "note": plan.config["note"], "options": plan.config["tables"],
                                      "runs": names, "corpora": corpora})  # fmt: skip


def _copy_run(run: Run, rows: Sequence[Row], kept: Path, before: Facts | None, target: Path) -> None:
    """A run's files: of the results, or as they were kept before if the results have no more."""
    facts, history = _facts(run.folder)
    ended = any(row["status"] in ("ok", "diverged") for row in rows)
    if before is not None and (facts is None or (not ended and before["status"] != UNFINISHED)):
        shutil.copytree(kept, target)
        return
    write_csv(target / "evaluation.csv", METRICS.names, rows)
    if facts is not None:
        write_json(target / "run.json", facts)
        write_csv(target / "history.csv", HISTORY.names, history)


def _copy_bounds(plan: Plan, before: Path, target: Path) -> None:
    """The NLL by the number of samples, of those models where it was looked at."""
    rows: list[Mapping[str, Any]] = []
    for study in [study for study in plan.studies if study.stage == "bounds"]:
        if study.files[0].exists():
            rows += [{"corpus": study.corpus, **row} for row in read_rows(study.files[0])]
        else:
            rows += [row for run in study.runs if facts_before(before, run) for row in bounds_before(before, run)]
    if rows:
        write_csv(target, BOUNDS, rows)


def _facts(source: Path) -> tuple[Facts | None, list[dict[str, Any]]]:
    """(what a run says of itself, its epochs); of one that was cut, as far as it came; None if it has not begun."""
    if (source / "run.json").exists():
        return read_json(source / "run.json"), read_rows(source / "history.parquet")
    if not (source / "state" / "history.jsonl").exists():
        return None, []
    facts = read_json(source / "state" / "run.json")
    state = RunState(source / "state", facts["digests"]).good(torch.device("cpu"))
    came = {"status": UNFINISHED, "epochs": state["epoch"], "wall_seconds": state["seconds"]}
    return {**facts, **came}, state["history"]


def _corpora(plan: Plan, before: Path) -> dict[str, Any]:
    """Corpus -> the digest of its data, and the sha256 of each raw file, of those that are prepared or were kept."""
    found = corpora_before(before, {name: corpus.digest for name, corpus in plan.corpora.items()})
    for name, corpus in plan.corpora.items():
        if (corpus.folder / "meta.json").exists():
            meta = read_json(corpus.folder / "meta.json")
            found[name] = {"digest": meta["digest"], "raw": meta["raw"]}
    return {name: found[name] for name in plan.corpora if name in found}
