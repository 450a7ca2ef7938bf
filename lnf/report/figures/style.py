"""The one style of all figures: legible in print, and without colours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999", "#7f3b08")
"""Okabe and Ito 2008, which people with any kind of colour vision can distinguish; the ninth, a dark brown, is ours."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "h")
DASHES: tuple[tuple[int, tuple[int, ...]], ...] = (
    (0, ()), (0, (5, 1)), (0, (1, 1)), (0, (5, 1, 1, 1)),
    (0, (3, 2)), (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)), (0, (8, 2)), (0, (2, 1, 1, 1)),
)  # fmt: skip
HATCHES = ("", "///", "..", "xx")
DOTS_PER_INCH = 160

SETTINGS: Any = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7, "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.alpha": 0.3, "grid.linewidth": 0.5, "lines.linewidth": 1.2, "lines.markersize": 4,
    "pdf.fonttype": 42, "svg.fonttype": "none", "figure.constrained_layout.use": True, "hatch.linewidth": 0.5,
}  # fmt: skip


def look(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the n-th line: no two of nine are alike in any of the three."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
    }


def empty(axes: "Axes", why: str) -> None:
    """Say on an axes why there is nothing to see."""
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes, wrap=True)
    axes.set_axis_off()


def looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Name -> its look, by its place among all names."""
    return {name: look(index) for index, name in enumerate(dict.fromkeys(names))}


def clipped(values: Sequence[float]) -> float:
    """The largest value that an axis shows: all of them, or three quarters and as much room again where the others lie
    far above.
    """
    ordered = sorted(values)
    low, typical = ordered[0], ordered[(3 * (len(ordered) - 1) + 3) // 4]
    return ordered[-1] if ordered[-1] <= typical + 2 * (typical - low) else typical + (typical - low)
