"""Ours against published, every cell, with the spread over seeds."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes

from lnf.report.figures.canvas import Canvas, save
from lnf.report.figures.style import COLOURS, clipped, empty
from lnf.report.outcomes import LIMIT, Outcome
from lnf.report.table_formats import NAMES

if TYPE_CHECKING:
    from matplotlib.artist import Artist

PANELS = ("nll", "elbo", "reconstruction", "kl")
LINE_INCH = 0.21
OUTSIDE_GAP = 0.2
"""How far apart what lies outside is drawn, ours above and the published value below the line."""
OURS, PUBLISHED, RECALLED, SOURCE = (
    "ours: mean, sd (n-1), each seed", "published", "published, recalled (†)", "the source itself, the limit"
)  # fmt: skip

ByCell = Mapping[tuple[str, str, str], Any]
"""As `lnf.report.tables.on_test` gives it."""


def draw(
    corpora: Mapping[str, Sequence[Outcome]], published: ByCell, folder: Path, forms: Sequence[str] | None = None
) -> None:
    """results.*: panels for each corpus, one a quantity on test, one line a variant."""
    save(folder, "results", partial(_draw, corpora, published), forms)


def _draw(corpora: Mapping[str, Sequence[Outcome]], published: ByCell, canvas: Canvas) -> None:
    columns = 2 if canvas.narrow else len(PANELS)
    shown = {corpus: [one for one in found if one.trained] for corpus, found in corpora.items()}
    rows = [(corpus, PANELS[n : n + columns]) for corpus in shown for n in range(0, len(PANELS), columns)]
    heights = [LINE_INCH * (len(shown[corpus]) + 3) for corpus, _ in rows]
    drawn = canvas.figure(sum(heights) + 0.8)
    grid = drawn.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    legend: dict[str, Artist] = {}
    for axes_row, (corpus, metrics) in zip(grid, rows, strict=True):
        variants = shown[corpus]
        for axes, metric in zip(axes_row, metrics, strict=True):
            panel = _Panel(axes, metric, canvas, legend)
            limit = next((one.mean("nll") for one in corpora[corpus] if one.prior == LIMIT), None)
            panel.draw(variants, published, limit if metric == "nll" else None)
            axes.set_xlabel(variants[0].unit)
        names = [_name(one, canvas.narrow) for one in variants]
        axes_row[0].set_yticks(range(len(variants)), names, fontsize=5.5 if canvas.narrow else None)
        axes_row[0].set_title(f"{corpus}: {NAMES[metrics[0]]}", loc="left")
    drawn.legend(list(legend.values()), list(legend), loc="outside lower center", ncols=1 if canvas.narrow else 4)


def _name(one: Outcome, narrow: bool) -> str:
    """A variant's label, and where it has no number, why: next to the axes, so not over published numbers."""
    label = one.label.replace(" (", "\n(") if narrow else one.label
    return label if one.of("nll") else f"{label}: {one.status}"


class _Panel:
    """One quantity of a corpus. `legend` collects what was drawn, by its name."""

    def __init__(self, axes: Axes, metric: str, canvas: Canvas, legend: "dict[str, Artist]") -> None:
        self.axes, self.metric, self.canvas, self.legend = axes, metric, canvas, legend

    def draw(self, variants: Sequence[Outcome], published: ByCell, limit: float | None) -> None:
        """A line for each variant. What lies far to the right of the others is an arrow with its number."""
        self.axes.set_title(NAMES[self.metric], loc="left")
        self.axes.set_ylim(len(variants) - 0.4, -0.6)
        self.axes.set_yticks(range(len(variants)), [""] * len(variants))
        cells = [published.get((one.corpus, one.prior, self.metric)) for one in variants]
        values = [value for one in variants for value in one.of(self.metric)]
        values += [cell.published for cell in cells if cell is not None]
        if not values:
            empty(self.axes, "no number yet")
            return
        last = clipped(values)
        for line, (one, cell) in enumerate(zip(variants, cells, strict=True)):
            self._ours(line, one, last)
            if cell is not None:
                self._published(line, one, cell, last)
        if limit is not None:
            drawn = self.axes.axvline(limit, color=COLOURS[6], linestyle=(0, (4, 2)), linewidth=0.8)
            self._mark(drawn, SOURCE, variants[0], limit, label="source")
        if last < max(values):
            first = min([*values, *([] if limit is None else [limit])])
            self.axes.set_xlim(first - 0.08 * (last - first), last + 0.08 * (last - first))

    def _ours(self, line: int, one: Outcome, last: float) -> None:
        mean = one.mean(self.metric)
        if mean is None:
            return
        if mean > last:
            self._outside(line - OUTSIDE_GAP, mean, last, COLOURS[0])
            return
        for value in one.of(self.metric):
            self.axes.plot(value, line, "|", color=COLOURS[6], markersize=6, markeredgewidth=0.8)
        spread = one.spread(self.metric)
        bar = self.axes.errorbar(mean, line, xerr=spread, fmt="o", color=COLOURS[0], capsize=2)
        facts: dict[str, Any] = {"sd": spread} if len(one.of(self.metric)) > 1 else {}
        self._mark(bar.lines[0], OURS, one, mean, **facts)

    def _published(self, line: int, one: Outcome, cell: Any, last: float) -> None:
        if cell.published > last:
            self._outside(line + OUTSIDE_GAP, cell.published, last, COLOURS[1])
            return
        recalled = cell.published_mark == "memory"
        shape = "s" if recalled else "D"
        (point,) = self.axes.plot(cell.published, line, shape, color=COLOURS[1], fillstyle="none", markersize=5)
        self._mark(point, RECALLED if recalled else PUBLISHED, one, cell.published)

    def _outside(self, place: float, value: float, last: float, colour: str) -> None:
        self.axes.plot(last, place, ">", color=colour)
        self.axes.annotate(f"{value:.3g}", (last, place), (-5, 0), textcoords="offset points", ha="right", va="center",
                           fontsize=6, color=colour)  # fmt: skip

    def _mark(self, artist: "Artist", what: str, one: Outcome, value: float, label: str = "", **more: Any) -> None:
        self.legend.setdefault(what, artist)
        names = {"corpus": one.corpus, "model": label or one.label, "metric": NAMES[self.metric]}
        self.canvas.mark(artist, **names, what=what.partition(":")[0], value=value, unit=one.unit, **more)
