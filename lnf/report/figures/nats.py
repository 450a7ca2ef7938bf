"""Where the nats go: KL, reconstruction and length term, stacked for each variant."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from lnf.report.figures.style import COLOURS, HATCHES, INCH_PAGE, figure
from lnf.report.outcomes import LIMIT, Outcome

PARTS = {"length": "length, -log p(T)", "reconstruction": "reconstruction", "kl": "KL"}
LINE_INCH = 0.24


def draw(corpora: Mapping[str, Sequence[Outcome]], folder: Path) -> None:
    """nats.{pdf,png}: a panel for each corpus, a bar for each variant; its end is the ELBO, the dot the NLL."""
    shown = {corpus: [one for one in found if one.trained or one.prior == LIMIT] for corpus, found in corpora.items()}
    heights = [LINE_INCH * (len(variants) + 2) for variants in shown.values()]
    with figure(folder, "nats", INCH_PAGE, sum(heights) + 0.8) as drawn:
        panels = drawn.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (corpus, variants) in zip(panels, shown.items(), strict=True):
            for line, one in enumerate(variants):
                _bar(axes, line, one)
            axes.set_yticks(range(len(variants)), [one.label for one in variants])
            axes.invert_yaxis()
            axes.set_title(f"{corpus}, {variants[0].split} ({variants[0].unit})", loc="left")
        handles = [panels[0].barh(0, 0, **_look(n)) for n in range(4)] + panels[0].plot([], [], "o", color=COLOURS[6])
        drawn.legend(handles, [*PARTS.values(), "exact -log p(x|T)", "NLL"], loc="outside lower center", ncols=5)


def _bar(axes: Axes, line: int, one: Outcome) -> None:
    nll = one.mean("nll")
    if nll is None:
        axes.text(0.01, line, one.status, va="center", fontsize=6)
        return
    start = 0.0
    for n, part in enumerate(PARTS):
        width = one.mean(part)
        if width is not None:
            axes.barh(line, width, left=start, **_look(n))
            start += width
    if one.mean("kl") is None:
        axes.barh(line, nll - start, left=start, **_look(3))
    axes.plot(nll, line, "o", color=COLOURS[6])


def _look(n: int) -> dict[str, Any]:
    return {"color": (COLOURS[7], COLOURS[5], COLOURS[4], "white")[n], "hatch": HATCHES[n], "edgecolor": COLOURS[6],
            "linewidth": 0.5, "height": 0.7}  # fmt: skip
