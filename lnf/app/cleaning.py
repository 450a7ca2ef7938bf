"""Removal of a configuration's results, once its user knows what they cost."""

import shutil
import sys
from pathlib import Path

from lnf.app.launcher import require_no_workflow
from lnf.errors import UserError
from lnf.system.files import read_json

PLACES = ("results", "logs", "benchmarks", "reports/out")


def clean_results(name: str, yes: bool) -> None:
    """Remove all that the configuration `name` left in this folder, after a yes in the terminal or `yes`.

    MLflow's copies stay. Raises UserError if there is nothing, nobody to ask, or a workflow at work here.
    """
    names = sorted({path.name for place in PLACES for path in Path(place).glob("*") if path.is_dir()})
    if name not in names:  # not "", nor "..": only what stands there
        raise UserError(f"clean-results: {name or repr(name)}: no such results; there are {', '.join(names) or 'none'}")
    require_no_workflow()
    runs = [read_json(path) for path in Path("results", name).glob("*/*/*/run.json")]
    hours = sum(run["wall_seconds"] for run in runs) / 3600
    loss = f"{len(runs)} trained runs of {name}, {hours:.2g} hours of training"
    if not yes and not _agreed(loss):
        print("lnf: nothing removed")
        return
    for folder in (Path(place, name) for place in PLACES):
        if folder.exists():
            shutil.rmtree(folder)
    print(f"lnf: removed {loss}")


def _agreed(loss: str) -> bool:
    if not sys.stdin.isatty():
        raise UserError("clean-results: nobody to ask without a terminal; give --yes")
    return input(f"lnf: {loss}, will be lost. Remove? [y/N] ").strip().lower() in ("y", "yes")
