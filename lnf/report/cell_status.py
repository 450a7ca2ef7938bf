"""What a cell's last column says: how its seeds stand, and whether other code made one of them."""

from collections import Counter
from collections.abc import Sequence

from lnf.report.gather import Row

MISSING = ("not_run", "unfinished")
"""Of seeds that may yet come: whether they do does not hang on what would come of them."""


def failed_of(runs: Sequence[Row]) -> int:
    """How many of a variant's seeds have no number for a reason of their own: they diverged, or ended in an error."""
    return len({row["seed"] for row in runs if row["status"] not in ("ok", *MISSING)})


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
