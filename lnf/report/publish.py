"""The views of a plan, copied to where people look: reports/out/NAME/{report.html, tables, figures, samples}.

The views themselves lie in folders named by what they were made of. A file `published-DIGEST.json` says which are
shown; it is gone when another plan's are.
"""

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name

from lnf.plan.jobs import SPEC
from lnf.plan.results import VIEWS, Plan
from lnf.plan.stages import STAGES, SWEEP
from lnf.report.gather import gather, read_metrics
from lnf.system.files import Damaged, tell, write_json

PAGE = "page"
"""The view whose files are at the top of the folder; each other one is a folder of its stage's name."""


def publish(views: Mapping[str, str], marker: str | None, out: Path) -> None:
    """Copy views (place below `out` -> folder) to `out` and, last, say so in the file `marker`; None: they are of no
    whole plan.
    """
    out.mkdir(parents=True, exist_ok=True)
    for outdated in out.glob("published-*.json"):
        outdated.unlink()
    shutil.rmtree(out / SWEEP, ignore_errors=True)  # another configuration of this name may have had one
    for place, folder in views.items():
        if place == PAGE:
            for file in (file for file in Path(folder).iterdir() if file.is_file() and file.name != SPEC):
                shutil.copyfile(file, out / file.name)
        else:
            shutil.rmtree(out / place, ignore_errors=True)
            shutil.copytree(folder, out / place, ignore=shutil.ignore_patterns(SPEC))
    if marker is not None:
        write_json(out / marker, {"views": dict(views)})
    print(f"lnf: report: {out / 'report.html'}", flush=True)


def write_existing(plan: Plan) -> None:
    """Write a plan's views from whatever of its runs exists, and publish them; missing ones are named by their status.

    The views that are shown are no longer those of a finished plan, so the next workflow publishes its own again. A
    damaged file counts as missing; one line reports it.
    """
    while True:
        try:
            _write(plan)
            return
        except Damaged as damaged:
            if not damaged.aside:
                raise
            tell(damaged)


def _write(plan: Plan) -> None:
    top = plan.gathered.folder.parents[1] / "existing"
    folders = {view: top / view for view in VIEWS}
    gather(**plan.gathered.arguments, out=top, existing=True)
    for view, arguments in plan.shown(top / "metrics.parquet", folders).items():
        folders[view].mkdir(parents=True, exist_ok=True)
        resolve_name(STAGES[view].run)(**arguments, out=folders[view])
    publish({STAGES[view].shown_in: str(folder) for view, folder in folders.items()}, None, plan.out)
    statuses = read_metrics(top / "metrics.parquet").status
    missing = Counter(statuses[statuses != "ok"])
    found = ", ".join(f"{count} runs {status}" for status, count in missing.items()) or "every run is there"
    print(f"lnf: {plan.name}: {found}", flush=True)
