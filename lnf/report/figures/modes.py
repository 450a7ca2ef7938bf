"""The paper's picture of multimodality: p(z_t | z_<t) as a string is spelled, and which letter is read off where."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lnf.report.figures.style import COLOURS, INCH_PAGE, figure
from lnf.system.files import read_json
from lnf.system.sealed import read_arrays

LETTERS = 5
"""Letters whose mass is shown for each step."""
NAMED = 0.01
"""Share of the plane from which a region is named."""


def draw(studies: Mapping[str | None, Sequence[Path]], labels: Mapping[str, str], folder: Path) -> None:
    """modes-CORPUS.{pdf,png} from STUDY/modes.{npz,json}: a column a step, the plane above and the masses below."""
    for corpus, (study, *_) in studies.items():
        _draw(str(corpus), study, folder)


def _draw(corpus: str, study: Path, folder: Path) -> None:
    facts = read_json(study / "modes.json")
    steps, first = facts["steps"], facts["first"]
    width = INCH_PAGE / steps
    arrays = read_arrays(study / "modes.npz")
    with figure(folder, f"modes-{corpus}", INCH_PAGE, width + 1.7) as drawn:
        grid = drawn.subplots(2, steps, squeeze=False, height_ratios=[width, 1.2])
        for n in range(steps):
            _plane(grid[0][n], arrays, n, facts)
            exact = arrays["exact"][n] if "exact" in arrays else None
            _masses(grid[1][n], arrays["masses"][n], exact, facts["vocabulary"], facts["text"][first + n])
        grid[1][0].set_ylabel("mass")
        text = facts["text"]
        spelled = f"{text[:first]}[{text[first : first + steps]}]{text[first + steps :]}"
        drawn.suptitle(f"{corpus}: {spelled}", fontsize=8)


def _plane(axes: Axes, arrays: Mapping[str, NDArray[Any]], n: int, facts: Mapping[str, Any]) -> None:
    (left, bottom), (right, top) = facts["low"], facts["high"]
    extent = (left, right, bottom, top)
    axes.imshow(np.sqrt(arrays["density"][n]), origin="lower", extent=extent, cmap="gray_r", aspect="auto")
    regions = arrays["regions"][n]
    second, first = (np.linspace(low, high, len(regions)) for low, high in ((bottom, top), (left, right)))
    for symbol in np.unique(regions):
        inside = (regions == symbol).astype(float)
        axes.contour(first, second, inside, levels=[0.5], colors=COLOURS[4], linewidths=0.6)
        if inside.mean() >= NAMED:
            y, x = _middle(inside)
            letter = _seen(facts["vocabulary"][symbol])
            axes.text(first[x], second[y], letter, color=COLOURS[1], ha="center", va="center")
    z = arrays["z"][facts["first"] + n]
    axes.plot(z[0], z[1], "+", color=COLOURS[0], markersize=8, markeredgewidth=1.5)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"step {facts['first'] + n + 1}", loc="left")


def _middle(inside: NDArray[np.float64]) -> tuple[int, int]:
    """A point of a region that is far from its border: where most of the region is within a few cells."""
    size = len(inside) // 8
    kernel = np.ones(2 * size + 1)
    blurred = np.apply_along_axis(lambda line: np.convolve(line, kernel, "same"), 0, inside)
    blurred = np.apply_along_axis(lambda line: np.convolve(line, kernel, "same"), 1, blurred)
    y, x = np.unravel_index(int((blurred * inside).argmax()), inside.shape)
    return int(y), int(x)


def _seen(symbol: str) -> str:
    """A symbol that can be seen."""
    return symbol if symbol.strip() else "␣"


def _masses(
    axes: Axes, masses: NDArray[np.float64], exact: NDArray[np.float64] | None, vocabulary: list[str], spelled: str
) -> None:
    """Bars of the likeliest letters, the one that is spelled marked, and what the source itself gives them."""
    weight = masses if exact is None else masses + exact
    best = np.argsort(weight)[::-1][:LETTERS]
    place = np.arange(len(best))
    axes.bar(place, masses[best], color=COLOURS[4], edgecolor=COLOURS[6], linewidth=0.5)
    if exact is not None:
        axes.plot(place, exact[best], "D", color=COLOURS[1], fillstyle="none")
    names = [_seen(vocabulary[symbol]) for symbol in best]
    axes.set_xticks(place, [f"[{name}]" if vocabulary[symbol] == spelled else name
                            for name, symbol in zip(names, best, strict=True)])  # fmt: skip
    axes.set_ylim(0, 1.05)
    axes.set_yticks([0, 0.5, 1], ["0", "", "1"])
