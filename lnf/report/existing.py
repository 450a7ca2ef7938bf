"""The views of a plan of which not every run exists: what `lnf tables` writes, and a workflow that failed."""

from collections import Counter
from pkgutil import resolve_name

from lnf.plan.results import VIEWS, Plan
from lnf.plan.stages import STAGES
from lnf.report.gather import gather
from lnf.report.metrics import read_metrics
from lnf.report.publish import publish
from lnf.system.files import Damaged, tell


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
