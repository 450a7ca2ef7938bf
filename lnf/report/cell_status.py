"""What a cell's last column says: the state of its seeds."""

from collections import Counter
from collections.abc import Sequence

from lnf.report.gather import Row

MISSING = ("not_run", "unfinished")
"""Of seeds that may yet come: whether they do does not hang on what would come of them."""


def failed_of(runs: Sequence[Row]) -> int:
    """How many of a variant's seeds have no number for a reason of their own: they diverged, or ended in an error."""
    return len({row["seed"] for row in runs if row["status"] not in ("ok", *MISSING)})


def status_of(runs: Sequence[Row]) -> str:
    """The state of a variant's seeds: ok, diverged, error, not_run, or `partial k/n (...)`."""
    seeds = {row["seed"]: row["status"] for row in runs}
    counts = Counter(seeds.values())
    others = ", ".join(f"{status} {count}" for status, count in sorted(counts.items()) if status != "ok")
    if len(counts) == 1:
        return str(next(iter(counts)))
    return f"partial {counts['ok']}/{len(seeds)} ({others})" if counts["ok"] else others
