"""Keep what a configuration measured: copy its runs' facts to reports/measured/NAME and write what is made of them."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from lnf.errors import UserError
from lnf.plan.results import Plan
from lnf.report.gather import METRICS, Row, gather, read_metrics
from lnf.report.measured.documents import kept_folders, show
from lnf.report.measured.kept import BOUNDS, Facts, place, read_facts, write_csv
from lnf.report.measured.made import write_made
from lnf.report.measured.revisions import require_known
from lnf.runs.resume_state import RunState
from lnf.runs.training import HISTORY
from lnf.system.files import read_json, write_json
from lnf.system.parquet import read_rows


def keep_measured(plan: Plan) -> None:
    """Copy the facts of a plan's runs to reports/measured/NAME, a finished plan or not, and show them.

    Raises UserError if no run began, or if one was made by sources that the project's history does not have.
    """
    root = plan.config.root
    folder = root / "reports" / "measured" / plan.name
    with tempfile.TemporaryDirectory() as scratch:
        _copy(plan, Path(scratch))
        facts = read_facts(Path(scratch))
        if not facts:
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


def _copy(plan: Plan, folder: Path) -> None:
    """Every file of `lnf.report.measured.kept` that is copied, not made."""
    gather(plan.gathered, folder / "metrics.parquet", existing=True)
    rows = read_metrics(folder / "metrics.parquet")
    (folder / "metrics.parquet").unlink()
    runs = plan.gathered["runs"]
    for run in runs:
        _copy_run(run, rows, place(folder, run))
    write_csv(folder / "references.csv", METRICS.names, [row for row in rows if row["role"] == "reference"])
    _copy_bounds(plan, folder / "bounds.csv")
    names = [{key: run[key] for key in ("corpus", "prior", "seed")} for run in runs]
    write_json(folder / "plan.json", {"name": plan.name, "note": plan.config["note"], "options": plan.config["tables"],
                                      "runs": names, "corpora": _corpora(plan)})  # fmt: skip


def _copy_run(run: Mapping[str, Any], rows: Sequence[Row], target: Path) -> None:
    source = Path(run["folder"])
    write_csv(target / "evaluation.csv", METRICS.names, [row for row in rows if _same(row, run)])
    facts, history = _facts(source)
    if facts is not None:
        write_json(target / "run.json", facts)
        write_csv(target / "history.csv", HISTORY.names, history)


def _copy_bounds(plan: Plan, target: Path) -> None:
    """The NLL by the number of samples, of those corpora where it was looked at."""
    files = [(study.corpus, study.files[0]) for study in plan.studies if study.stage == "bounds"]
    rows = [{"corpus": corpus, **row} for corpus, file in files if file.exists() for row in read_rows(file)]
    if rows:
        write_csv(target, BOUNDS, rows)


def _same(row: Row, run: Mapping[str, Any]) -> bool:
    return all(row[key] == run[key] for key in ("corpus", "prior", "seed"))


def _facts(source: Path) -> tuple[Facts | None, list[dict[str, Any]]]:
    """(what a run says of itself, its epochs); of one that was cut, as far as it came; None if it has not begun."""
    if (source / "run.json").exists():
        return read_json(source / "run.json"), read_rows(source / "history.parquet")
    if not (source / "state" / "history.jsonl").exists():
        return None, []
    facts = read_json(source / "state" / "run.json")
    state = RunState(source / "state", facts["digests"]).good(torch.device("cpu"))
    came = {"status": "unfinished", "epochs": state["epoch"], "wall_seconds": state["seconds"]}
    return {**facts, **came}, state["history"]


def _corpora(plan: Plan) -> dict[str, Any]:
    """Corpus -> the digest of its data, and the sha256 of each raw file."""
    found = {}
    for name, corpus in plan.corpora.items():
        meta = read_json(corpus.folder / "meta.json")
        found[name] = {"digest": meta["digest"], "raw": meta["raw"]}
    return found
