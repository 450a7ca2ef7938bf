"""Where the nats go: KL, reconstruction and length term, stacked for each variant."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from lnf.report.figures.canvas import Canvas, save
from lnf.report.figures.style import COLOURS, HATCHES
from lnf.report.outcomes import LIMIT, Outcome

PARTS = {"length": "length, -log p(T)", "reconstruction": "reconstruction", "kl": "KL"}
EXACT = "exact -log p(x|T)"
LINE_INCH = 0.24
COLUMNS = {"length": "length", "reconstruction": "reconst.", "kl": "KL", "elbo": "ELBO", "nll": "NLL"}
"""The numbers next to the bars."""


def draw(corpora: Mapping[str, Sequence[Outcome]], folder: Path) -> None:
    """nats.*: a panel for each corpus, a bar for each variant; its end is the ELBO, the dot the NLL."""
    save(folder, "nats", partial(_draw, corpora))


def _draw(corpora: Mapping[str, Sequence[Outcome]], canvas: Canvas) -> None:
    shown = {corpus: [one for one in found if one.trained or one.prior == LIMIT] for corpus, found in corpora.items()}
    heights = [LINE_INCH * (len(variants) + 2) for variants in shown.values()]
    columns = ["nll"] if canvas.narrow else list(COLUMNS)
    drawn = canvas.figure(sum(heights) + (1.4 if canvas.narrow else 0.8))
    widths = [1 - 0.09 * len(columns), 0.09 * len(columns)]
    grid = drawn.subplots(len(shown), 2, squeeze=False, sharey="row", height_ratios=heights, width_ratios=widths)
    for (axes, table), (corpus, variants) in zip(grid, shown.items(), strict=True):
        for line, one in enumerate(variants):
            _bar(axes, line, one, canvas)
            _numbers(table, line, one, columns)
        axes.set_yticks(range(len(variants)), [one.label for one in variants])
        axes.set_ylim(len(variants) - 0.4, -0.6)
        axes.set_title(f"{corpus}, {variants[0].split} ({variants[0].unit})", loc="left")
        for place, column in enumerate(columns):
            table.text(place + 0.9, -0.8, COLUMNS[column], ha="right", va="bottom", fontsize=6)
        table.set_xlim(0, len(columns))
        table.set_axis_off()
    first = grid[0][0]
    handles = [first.barh(0, 0, **_look(n)) for n in range(4)] + first.plot([], [], "o", color=COLOURS[6])
    ncols = 2 if canvas.narrow else 5
    drawn.legend(handles, [*PARTS.values(), EXACT, "NLL"], loc="outside lower center", ncols=ncols)


def _bar(axes: Axes, line: int, one: Outcome, canvas: Canvas) -> None:
    nll = one.mean("nll")
    if nll is None:
        axes.text(0.01, line, one.status, va="center", fontsize=6)
        return
    start = 0.0
    for n, part in enumerate(PARTS):
        width = one.mean(part)
        if width is not None:
            (bar,) = axes.barh(line, width, left=start, **_look(n))
            canvas.mark(bar, corpus=one.corpus, model=one.label, part=PARTS[part], value=width, unit=one.unit)
            start += width
    if one.mean("kl") is None:
        (bar,) = axes.barh(line, nll - start, left=start, **_look(3))
        canvas.mark(bar, corpus=one.corpus, model=one.label, part=EXACT, value=nll - start, unit=one.unit)
    (dot,) = axes.plot(nll, line, "o", color=COLOURS[6])
    canvas.mark(dot, corpus=one.corpus, model=one.label, part="NLL", value=nll, unit=one.unit)


def _numbers(table: Axes, line: int, one: Outcome, columns: Sequence[str]) -> None:
    """A line of the table at the right of the bars."""
    for place, column in enumerate(columns):
        value = one.mean(column)
        if value is not None:
            table.text(place + 0.9, line, f"{value:.3f}", ha="right", va="center", fontsize=6)


def _look(n: int) -> dict[str, Any]:
    return {"color": (COLOURS[7], COLOURS[5], COLOURS[4], "white")[n], "hatch": HATCHES[n], "edgecolor": COLOURS[6],
            "linewidth": 0.5, "height": 0.7}  # fmt: skip
