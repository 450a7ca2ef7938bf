"""Whether bfloat16 changes what is measured: rows at the paper's settings, trained in both precisions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lnf.report.frames import markdown, number
from lnf.report.measured.archive import Kept
from lnf.report.measured.leads import Lead, Side, sides
from lnf.report.outcomes import SURE

SEEDS = 3
"""In each precision, from which on a comparison says something."""
SAME, OTHER, FEW = "no difference", "a difference", "too few seeds"
COLUMNS = ("corpus", "model", "float32", "bfloat16", "float32 is lower by", f"{SURE:.0%} interval", "seeds", "verdict")
HEAD = f"""## bfloat16

Matrix products in bfloat16, all else at the paper's settings: NLL on test next to that of float32. There is no
difference to be seen if the {SURE:.0%} interval over {SEEDS} seeds or more of both has 0 in it. If that holds for every
row that has so many in float32, rows in bfloat16 count as cells of the paper.
"""


@dataclass(frozen=True)
class Pair:
    """A row of a corpus in both precisions."""

    corpus: str
    lead: Lead

    @property
    def verdict(self) -> str:
        """no difference | a difference | too few seeds."""
        if self.lead.reach is None or min(len(side.values) for side in (self.lead.better, self.lead.worse)) < SEEDS:
            return FEW
        return SAME if abs(self.lead.mean) <= self.lead.reach else OTHER


def pairs(kept: Sequence[Kept]) -> list[Pair]:
    """The rows that have a number in both precisions."""
    float32 = _rows(one for one in kept if one.at_paper_settings)
    bfloat16 = _rows(one for one in kept if one.in_bfloat16)
    return [Pair(row[0], Lead(float32[row], side)) for row, side in bfloat16.items() if row in float32]


def _rows(kept: Iterable[Kept]) -> dict[tuple[str, str], Side]:
    return {row: side for one in kept for row, side in sides(one.metrics).items()}


def bfloat16_counts(kept: Sequence[Kept]) -> bool:
    """Whether no row shows a difference, of those with seeds enough in float32: there must be one. A row that is a cell
    in both precisions, by a seed each, decides nothing.
    """
    found = [pair for pair in pairs(kept) if len(pair.lead.better.values) >= SEEDS]
    return bool(found) and all(pair.verdict == SAME for pair in found)


def precision_section(kept: Sequence[Kept]) -> list[str]:
    """Lines: a table of the rows in both precisions; none without them."""
    rows = [
        [pair.corpus, pair.lead.better.label, *(number(side.mean) for side in (pair.lead.better, pair.lead.worse)),
         f"{pair.lead.mean:+.3f}", "one seed" if pair.lead.reach is None else f"± {pair.lead.reach:.3f}",
         f"{len(pair.lead.better.values)}, {len(pair.lead.worse.values)}", pair.verdict]
        for pair in pairs(kept)
    ]  # fmt: skip
    return [HEAD, *markdown(COLUMNS, rows), ""] if rows else []
