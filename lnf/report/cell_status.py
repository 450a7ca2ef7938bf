"""What a cell's last column says: how its seeds stand, and whether other code made one of them."""

from collections import Counter
from collections.abc import Sequence

from lnf.report.gather import Row


def status_of(runs: Sequence[Row]) -> str:
    """The state of a variant's seeds: ok, diverged, error, not_run, or `partial k/n (...)`; other code is named."""
    seeds = {row["seed"]: row["status"] for row in runs}
    counts = Counter(seeds.values())
    others = ", ".join(f"{status} {count}" for status, count in sorted(counts.items()) if status != "ok")
    if len(counts) == 1:
        status = next(iter(counts))
    elif counts["ok"]:
        status = f"partial {counts['ok']}/{len(seeds)} ({others})"
    else:
        status = others
    return f"{status}; made by other code" if any(row["code"] == "kept" for row in runs) else status
