"""Ours against published, every cell, with the spread over seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from lnf.report.figures.style import COLOURS, INCH_PAGE, empty, figure
from lnf.report.outcomes import LIMIT, Outcome
from lnf.report.table_formats import NAMES

PANELS = ("nll", "elbo", "reconstruction", "kl")
LINE_INCH = 0.21

ByCell = Mapping[tuple[str, str, str], Any]
"""As `lnf.report.tables.on_test` gives it."""


def draw(corpora: Mapping[str, Sequence[Outcome]], published: ByCell, folder: Path) -> None:
    """results.{pdf,png}: a row of panels for each corpus, one panel a quantity on test, one line a variant."""
    shown = {corpus: [one for one in found if one.trained] for corpus, found in corpora.items()}
    heights = [LINE_INCH * (len(variants) + 3) for variants in shown.values()]
    with figure(folder, "results", INCH_PAGE, sum(heights) + 0.8) as drawn:
        rows = drawn.subplots(len(shown), len(PANELS), squeeze=False, height_ratios=heights)
        for axes_row, (corpus, variants) in zip(rows, shown.items(), strict=True):
            limit = next((one.mean("nll") for one in corpora[corpus] if one.prior == LIMIT), None)
            for axes, metric in zip(axes_row, PANELS, strict=True):
                _panel(axes, metric, variants, published, limit if metric == "nll" else None)
            axes_row[0].set_yticks(range(len(variants)), [_name(one) for one in variants])
            axes_row[0].set_title(f"{corpus}: {NAMES['nll']}", loc="left")
            axes_row[0].set_xlabel(variants[0].unit)
        handles = _legend(rows[0][0], any(one.prior == LIMIT for found in corpora.values() for one in found))
        drawn.legend(*handles, loc="outside lower center", ncols=4)


def _name(one: Outcome) -> str:
    """A variant's label, and where it has no number, why: next to the axes, so not over published numbers."""
    return one.label if one.of("nll") else f"{one.label}: {one.status}"


def _panel(axes: Axes, metric: str, variants: Sequence[Outcome], published: ByCell, limit: float | None) -> None:
    axes.set_title(NAMES[metric], loc="left")
    axes.set_ylim(len(variants) - 0.4, -0.6)
    axes.set_yticks(range(len(variants)), [""] * len(variants))
    numbers = 0
    for line, one in enumerate(variants):
        values, number = one.of(metric), published.get((one.corpus, one.prior, metric))
        numbers += len(values) + (number is not None)
        if values:
            axes.plot(values, [line] * len(values), "|", color=COLOURS[6], markersize=6, markeredgewidth=0.8)
            axes.errorbar(one.mean(metric) or 0.0, line, xerr=one.spread(metric), fmt="o", color=COLOURS[0], capsize=2)
        if number is not None:
            recalled = number.published_mark == "memory"
            axes.plot(
                number.published, line, "s" if recalled else "D", color=COLOURS[1], fillstyle="none", markersize=5
            )
    if limit is not None:
        axes.axvline(limit, color=COLOURS[6], linestyle=(0, (4, 2)), linewidth=0.8)
    if not numbers:
        empty(axes, "no number yet")


def _legend(axes: Axes, limit: bool) -> tuple[list[Any], list[str]]:
    entries = [
        (axes.plot([], [], "o", color=COLOURS[0])[0], "ours: mean, sd (n-1), each seed"),
        (axes.plot([], [], "D", color=COLOURS[1], fillstyle="none")[0], "published"),
        (axes.plot([], [], "s", color=COLOURS[1], fillstyle="none")[0], "published, recalled (†)"),
    ]
    if limit:
        entries.append((axes.plot([], [], color=COLOURS[6], linestyle=(0, (4, 2)))[0], "the source itself, the limit"))
    return [entry[0] for entry in entries], [entry[1] for entry in entries]
