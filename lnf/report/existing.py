"""Tables of what exists now, whether or not the plan is finished."""

from collections import Counter

from lnf.plan.results import Plan
from lnf.report.gather import gather, read_metrics
from lnf.report.tables import write_tables


def write_existing(plan: Plan) -> None:
    """Write a plan's tables from whatever of its runs exists; missing ones are named by their status.

    The tables are no longer those of a finished plan, so the next workflow writes them anew.
    """
    metrics = plan.metrics.parents[1] / "existing.parquet"
    gather(plan.gathered, metrics, existing=True)
    write_tables(plan.shown(made=None), metrics)
    missing = Counter(row["status"] for row in read_metrics(metrics) if row["status"] != "ok")
    found = ", ".join(f"{count} runs {status}" for status, count in missing.items()) or "every run is there"
    print(f"lnf: tables in {plan.tables_folder}: {found}", flush=True)
