"""When a number counts as reproduced."""

from typing import Any

from lnf.report.outcomes import SURE, Error, reach

WITHIN = 0.02
"""Share of the published number that a reproduced one may miss it by."""
WORDS = ("reproduced", "agrees", "better", "disagrees: better", "worse", "disagrees: worse")
"""All verdicts, without the miss."""
LEGEND = (
    f"A number is reproduced if it is within {WITHIN:.0%} of the published one, else better or worse; with one that is"
    " recalled and was not read again (†) it agrees or disagrees. In brackets: the miss, and half its"
    f" {SURE:.0%} interval over our seeds, by Student's t, in percent of the published number, which is of one run: a"
    " smaller miss may be the seeds'. Models of another size than the paper's, on part of the data, or with another K"
    " have no verdict, and rows with a failed seed have none; a row that lacks seeds has the verdict of the seeds that"
    " are there."
)


def verdict(cell: Any) -> str:
    """reproduced, better or worse; of a number that is recalled, agrees or how it disagrees; with the miss and half
    its interval over seeds. Empty without both numbers. `cell` is a row of `lnf.report.tables.summarise`.

    Seeds that are missing do not change what the others say; a seed that failed does: without it, they are a choice.
    """
    if cell.mean is None or cell.published is None or cell.failed:
        return ""
    miss = cell.mean / cell.published - 1
    seeds = "one seed"
    if cell.sd is not None:
        seeds = f"± {reach(Error(cell.sd**2 / cell.n, cell.n - 1)) / cell.published:.1%}"
    return f"{_word(miss, cell.published_mark == 'memory')} ({miss:+.1%}, {seeds})"


def _word(miss: float, recalled: bool) -> str:
    if abs(miss) <= WITHIN:
        return "agrees" if recalled else "reproduced"
    found = "better" if miss < 0 else "worse"
    return f"disagrees: {found}" if recalled else found
