"""What a measured number says of the published one (docs/paper.md, section 8)."""

from lnf.report.cells import Cell

WITHIN = 0.02
"""Share of the published number that a reproduced one may miss it by."""
LEGEND = (
    f"A number is reproduced if it is within {WITHIN:.0%} of the published one, else better or worse; with one that is"
    " recalled and was not read again (†) it agrees or disagrees. Models of another size than the paper's, on part of"
    " the data, or with another K have no verdict, nor has a row of which a seed failed; one that lacks seeds has the"
    " verdict of those that are there."
)


def verdict(cell: Cell) -> str:
    """reproduced, better or worse; of a number that is recalled, agrees or how it disagrees; empty without both.

    Seeds that are missing do not change what the others say; a seed that failed does: without it, they are a choice.
    """
    if cell.mean is None or cell.published is None or cell.failed:
        return ""
    miss = cell.mean / cell.published.value - 1
    recalled = cell.published.mark == "memory"
    if abs(miss) <= WITHIN:
        return "agrees" if recalled else "reproduced"
    found = "better" if miss < 0 else "worse"
    return f"disagrees: {found}" if recalled else found
