"""Training curves, a figure for each question: a panel a variant, a line a seed."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lnf.report.figures.canvas import Canvas, save
from lnf.report.figures.style import COLOURS, clipped, empty, look
from lnf.system.files import read_json
from lnf.system.sealed import read_table
from lnf.units import nats_in

Run = Mapping[str, Any]
"""A run as `gather` is given it."""
History = Mapping[str, NDArray[np.float64]]
PANEL_INCH = 1.15
COLUMNS, COLUMNS_NARROW = 4, 2


def whole(history: History, split: str) -> NDArray[np.float64]:
    """The negative ELBO given T with the KL at weight 1, which epochs of every weight share; of an exact model the NLL.

    What is trained on weighs the KL less at first, so that its value rises while the model gets better.
    """
    kl = history[f"{split}_kl"]
    return np.where(np.isnan(kl), history[f"{split}_loss"], kl + history[f"{split}_reconstruction"])


class Question(NamedTuple):
    """A figure: its name, what it plots of a history, in nats, and whether the epoch that was kept is marked."""

    name: str
    about: str
    values: Callable[[History], NDArray[np.float64]]
    kept: bool


def _on_valid(history: History) -> NDArray[np.float64]:
    return whole(history, "valid")


def _gap(history: History) -> NDArray[np.float64]:
    return whole(history, "valid") - whole(history, "train")


def _kl(history: History) -> NDArray[np.float64]:
    return history["valid_kl"]


QUESTIONS = (
    Question("converged", "-ELBO given T on valid, the KL at weight 1", _on_valid, True),
    Question("overfitted", "-ELBO given T on valid less that on train", _gap, False),
    Question("kl", "KL on valid", _kl, False),
)
"""Did it converge, did it overfit, did the KL vanish?"""


def draw(corpus: str, unit: str, runs: Sequence[Run], folder: Path) -> None:
    """NAME-CORPUS.* of each question, in `unit`."""
    histories = {run["folder"]: _history(run) for run in runs}
    for question in QUESTIONS:
        save(folder, f"{question.name}-{corpus}", partial(_draw, question, corpus, unit, runs, histories))


def _draw(
    question: Question, corpus: str, unit: str, runs: Sequence[Run], histories: Mapping[str, History], canvas: Canvas
) -> None:
    variants: dict[str, list[Run]] = {}
    for run in runs:
        variants.setdefault(run["prior"], []).append(run)
    columns = COLUMNS_NARROW if canvas.narrow else COLUMNS
    rows = -(-len(variants) // columns)
    drawn = canvas.figure(PANEL_INCH * rows + 0.8)
    grid = drawn.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    seeds = sorted({run["seed"] for run in runs})
    scale = _limits(question, histories, nats_in(unit))
    for axes, mine in zip(grid, variants.values(), strict=False):
        axes.set_title(mine[0]["label"], loc="left", fontsize=6)
        axes.tick_params(labelsize=6)
        lines = [(run, history) for run in mine if (history := histories[run["folder"]])]
        for run, history in lines:
            _line(axes, question, run, history, seeds.index(run["seed"]), unit, canvas)
        if not lines:
            empty(axes, "not trained yet")
        elif all(np.isnan(question.values(history)).all() for _, history in lines):
            empty(axes, "exact: none")
        elif scale:
            axes.set_ylim(*scale)
    for axes in grid[len(variants) :]:
        axes.set_axis_off()
    handles = [grid[0].plot([], [], **_style(n))[0] for n in range(len(seeds))]
    drawn.legend(handles, [f"seed {seed}" for seed in seeds], loc="outside lower center", ncols=4)
    drawn.suptitle(f"{corpus}: {question.about} ({unit}) by epoch", fontsize=7)


def _limits(question: Question, histories: Mapping[str, History], nats: float) -> tuple[float, float] | None:
    """The range of all panels: first epochs that are far above do not flatten what follows."""
    values = np.concatenate([question.values(one) for one in histories.values() if one] or [np.empty(0)]) / nats
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = float(values.min()), clipped(values.tolist())
    room = 0.05 * (high - low) or 0.05 * abs(low) or 1.0
    return low - room, high + room


def _style(n: int) -> dict[str, Any]:
    return {"color": look(n)["color"], "linestyle": look(n)["linestyle"]}


def _line(axes: Axes, question: Question, run: Run, history: History, n: int, unit: str, canvas: Canvas) -> None:
    values = question.values(history) / nats_in(unit)
    if np.isnan(values).all():
        return
    (line,) = axes.plot(history["epoch"], values, **_style(n))
    facts = {"model": run["label"], "seed": f"seed {run['seed']}", "what": question.about}
    if question.kept:
        kept = read_json(Path(run["folder"], "run.json")).get("best_epoch")
        if kept is not None:
            (line,) = axes.plot(kept, values[kept], "o", color=COLOURS[6], fillstyle="none")
            facts |= {"epoch": f"epoch {kept} of {len(values)}, which was kept", "value": float(values[kept])}
    else:
        facts |= {"epoch": "last epoch", "value": float(values[-1])}
    canvas.mark(line, **facts, unit=unit)


def _history(run: Run) -> History:
    """The columns of a run that has ended, NaN where there is no number; empty before."""
    path, ended = Path(run["folder"], "history.parquet"), Path(run["folder"], "run.json").exists()
    columns = read_table(path).to_pydict() if ended and path.exists() else {}
    return {name: np.array(values, np.float64) for name, values in columns.items()}
