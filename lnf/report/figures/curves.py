"""Training curves: loss, KL, reconstruction, KL weight and learning rate of each run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from lnf.report.figures.style import COLOURS, INCH_PAGE, empty, figure, look
from lnf.system.files import read_json
from lnf.system.sealed import read_table
from lnf.units import nats_in

PANELS = ("loss", "kl", "reconstruction", "beta", "learning_rate")
HEADINGS = dict(zip(PANELS, ("loss", "KL", "reconst.", "KL weight", "learning rate"), strict=True))
ROW_INCH = 0.85

Run = Mapping[str, Any]
"""A run as `gather` is given it."""


def draw(corpus: str, unit: str, runs: Sequence[Run], folder: Path) -> None:
    """curves-CORPUS.{pdf,png}, in `unit`: one row a variant, one line a seed; valid drawn through, train dotted."""
    variants: dict[str, list[Run]] = {}
    for run in runs:
        variants.setdefault(run["prior"], []).append(run)
    with figure(folder, f"curves-{corpus}", INCH_PAGE, ROW_INCH * len(variants) + 1.0) as drawn:
        grid = drawn.subplots(len(variants), len(PANELS), squeeze=False, sharex="row")
        for axes_row, mine in zip(grid, variants.values(), strict=True):
            _row(list(axes_row), mine, nats_in(unit))
        for axes, panel in zip(grid[0], PANELS, strict=True):
            axes.set_title(HEADINGS[panel], loc="left")
        for axes in grid[-1]:
            axes.set_xlabel("epoch")
        drawn.suptitle(f"{corpus}: {unit}, over T + 1; valid (line), train (dots); ring: the epoch that was kept")


def _row(axes_row: list[Axes], runs: Sequence[Run], nats: float) -> None:
    axes_row[0].set_ylabel(runs[0]["label"].replace(" - ", "\n- "), fontsize=6)
    drawn = False
    for n, run in enumerate(runs):
        history = _history(run)
        if history:
            drawn = True
            _lines(axes_row, history, _kept_epoch(run), nats, n)
    if not drawn:
        empty(axes_row[0], f"{runs[0]['label']}:\nnot trained yet")
        for axes in axes_row[1:]:
            axes.set_axis_off()


def _lines(
    axes_row: Sequence[Axes], history: dict[str, NDArray[np.float64]], kept: int | None, nats: float, n: int
) -> None:
    style = {"color": look(n)["color"], "linestyle": look(n)["linestyle"]}
    for axes, panel in zip(axes_row, PANELS, strict=True):
        in_nats = panel in ("loss", "kl", "reconstruction")
        name = f"valid_{panel}" if in_nats else panel
        values = history[name] / (nats if in_nats else 1.0)
        if np.isnan(values).all():
            empty(axes, "exact: none" if panel in ("kl", "reconstruction") else "")
            continue
        axes.plot(history["epoch"], values, **style)
        if in_nats:
            axes.plot(history["epoch"], history[f"train_{panel}"] / nats, color=style["color"], linestyle=":")
        if panel == "loss" and kept is not None:
            axes.plot(kept, values[kept], "o", color=COLOURS[6], fillstyle="none")
        if panel == "learning_rate":
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(NullFormatter())


def _history(run: Run) -> dict[str, NDArray[np.float64]]:
    """The columns of a run that has ended; NaN where there is no number."""
    path, ended = Path(run["folder"], "history.parquet"), Path(run["folder"], "run.json").exists()
    columns = read_table(path).to_pydict() if ended and path.exists() else {}
    return {name: np.array(values, np.float64) for name, values in columns.items()}


def _kept_epoch(run: Run) -> int | None:
    """The epoch, from 0, whose weights were kept."""
    epoch: int | None = read_json(Path(run["folder"], "run.json")).get("best_epoch")
    return epoch
