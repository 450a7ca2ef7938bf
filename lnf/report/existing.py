"""Views of what exists now, whether or not the plan is finished."""

from collections import Counter

from lnf.plan.results import Plan
from lnf.report.figures.write import write_figures
from lnf.report.gather import gather, read_metrics
from lnf.report.page.write import write_page
from lnf.report.samples.write import write_samples
from lnf.report.tables import write_tables
from lnf.system.damage import Damaged, tell


def write_existing(plan: Plan) -> None:
    """Write a plan's views from whatever of its runs exists; missing ones are named by their status.

    The views are no longer those of a finished plan, so the next workflow writes them anew. A damaged file counts as
    missing; one line tells of it.
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
    metrics = plan.metrics.parents[1] / "existing.parquet"
    gather(plan.gathered, metrics, existing=True)
    told = plan.told_to_views(metrics, finished=False)
    for write in (write_tables, write_figures, write_samples, write_page):
        write(told)
    missing = Counter(row["status"] for row in read_metrics(metrics) if row["status"] != "ok")
    found = ", ".join(f"{count} runs {status}" for status, count in missing.items()) or "every run is there"
    print(f"lnf: {plan.name}: {found}", flush=True)
