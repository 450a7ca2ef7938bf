"""Removal of results, all or the old ones, once their user knows what they cost."""

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from lnf.app import workflow_lock
from lnf.errors import UserError
from lnf.plan.results import Plan
from lnf.plan.stages import STAGES, reserved
from lnf.system.files import try_read_json

WILDCARD = r"\{\w+\}"
PLACES = ("results", "logs", "benchmarks", "reports/out")


def remove(name: str, yes: bool) -> None:
    """Remove all that the configuration `name` left in this folder, after a yes in the terminal or `yes`.

    MLflow's copies stay. Raises UserError if there is nothing, nobody to ask, or a workflow at work here.
    """
    names = sorted({path.name for place in PLACES for path in Path(place).glob("*") if path.is_dir()})
    if name not in names:  # not "", nor "..": only folders that are there
        raise UserError(f"remove: {name or repr(name)}: no such results; there are {', '.join(names) or 'none'}")
    with workflow_lock.held():
        _remove(name, yes)


def _remove(name: str, yes: bool) -> None:
    found = map(try_read_json, Path("results", name).glob("*/*/*/*/run.json"))
    runs = [facts for facts in found if facts is not None]
    hours = sum(run["wall_seconds"] for run in runs) / 3600
    loss = f"{len(runs)} trained runs of {name}, {hours:.2g} hours of training"
    if not yes and not _agreed(loss):
        print("lnf: nothing removed")
        return
    for folder in (Path(place, name) for place in PLACES):
        if folder.exists():
            shutil.rmtree(folder.resolve())
            folder.unlink(missing_ok=True)  # the link, where it was one
    print(f"lnf: removed {loss}")


def prune(plans: Sequence[Plan], yes: bool) -> None:
    """Remove what none of the plans, all of one name, asks for any more, after a list with sizes and a yes.

    Raises UserError if there is nobody to ask, or a workflow at work here.
    """
    with workflow_lock.held():
        _prune(plans, yes)


def _prune(plans: Sequence[Plan], yes: bool) -> None:
    old = sorted(_unwanted(plans[0].name, {path for plan in plans for path in _wanted(plan)}))
    sizes = {path: _size(path) for path in old}
    for path, size in sizes.items():
        print(f"{size / 1e6:10.1f} MB  {path}")
    loss = f"{len(old)} old results of {plans[0].name}, {sum(sizes.values()) / 1e6:.1f} MB"
    if not old or (not yes and not _agreed(loss)):
        print(f"lnf: nothing removed{'' if old else ': every result belongs to the configuration'}")
        return
    for path in old:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    print(f"lnf: removed {loss}")


def _wanted(plan: Plan) -> Iterator[Path]:
    """The folders of a plan's results, and the files of evaluations in them."""
    for job in plan.jobs:
        yield from (job.folder, *job.files)


def _unwanted(name: str, wanted: set[Path]) -> Iterator[Path]:
    """What lies where results lie, and the logs and benchmarks of runs that are gone."""
    for stage in STAGES.values():
        folders = [folder for folder in _glob(stage.folder(name)) if folder.is_dir()]
        if stage.folder(name).startswith("results/") and "{digest}" in stage.folder(name):
            yield from (folder for folder in folders if folder not in wanted)
        elif stage.folder(name).startswith("results/"):  # a job in the folder of another: its files alone
            found = [file for folder in folders if folder in wanted for kind in stage.files
                     for file in folder.glob(re.sub(WILDCARD, "*", kind))]  # fmt: skip
            yield from (file for file in found if file not in wanted)
    runs = {folder for folder in _glob(STAGES["train"].folder(name)) if folder.is_dir()}
    gone = {run.name for run in runs - wanted}
    for place in ("logs", "benchmarks"):
        files = Path(place, name).glob("*/*/*/*")
        yield from (path for path in files if path.name.partition(".")[0] in gone)


def _glob(pattern: str) -> Iterator[Path]:
    """The paths that match a pattern of a stage; without folders of other stages where a corpus' name is meant."""
    named = pattern.split("/").index("{corpus}") if "{corpus}" in pattern else 0
    for path in Path().glob(re.sub(WILDCARD, "*", pattern)):
        if not named or path.parts[named] not in reserved():
            yield path


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _agreed(loss: str) -> bool:
    if not sys.stdin.isatty():
        raise UserError("nobody to ask without a terminal; give --yes")
    return input(f"lnf: {loss}, will be lost. Remove? [y/N] ").strip().lower() in ("y", "yes")
