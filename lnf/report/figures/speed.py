"""Sampling time against sequence length."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import ScalarFormatter

from lnf.report.figures.style import INCH_PAGE, figure, looks
from lnf.system.files import read_json
from lnf.system.sealed import read_rows


def draw(studies: Mapping[str | None, Sequence[Path]], labels: Mapping[str, str], folder: Path) -> None:
    """speed.{pdf,png} from STUDY/speed.{parquet,json} of each corpus: a row a corpus, a panel a batch size, a line a
    model: the median, and the range of all repeats.
    """
    tables = {corpus: read_rows(folders[0] / "speed.parquet") for corpus, folders in studies.items()}
    batches = list(dict.fromkeys(row["batch"] for rows in tables.values() for row in rows))
    with figure(folder, "speed", INCH_PAGE, 2.4 * len(tables) + 0.8) as drawn:
        grid = drawn.subplots(len(tables), len(batches), squeeze=False, sharey="row")
        for axes_row, (corpus, rows) in zip(grid, tables.items(), strict=True):
            for axes, batch in zip(axes_row, batches, strict=True):
                _lines(axes, {prior: _times(rows, prior, batch) for prior in labels}, labels)
                axes.set_xscale("log", base=2)
                axes.set_yscale("log")
                axes.xaxis.set_major_formatter(ScalarFormatter())
                axes.set_xlabel("steps")
                axes.set_title(f"{corpus}, B = {batch}: {_where(studies[corpus][0])}", loc="left", fontsize=6)
            axes_row[0].set_ylabel("seconds per batch")
        handles, names = grid[0][0].get_legend_handles_labels()
        drawn.legend(handles, names, loc="outside lower center", ncols=4)


def _lines(axes: Axes, times: Mapping[str, Mapping[int, list[float]]], labels: Mapping[str, str]) -> None:
    style = looks(list(labels))
    for prior, label in labels.items():
        by_length = times[prior]
        if by_length:
            axes.plot(list(by_length), list(map(statistics.median, by_length.values())), label=label, **style[prior])
            low, high = (list(map(bound, by_length.values())) for bound in (min, max))
            axes.fill_between(list(by_length), low, high, color=style[prior]["color"], alpha=0.15, linewidth=0)


def _times(rows: list[dict[str, Any]], prior: str, batch: int) -> dict[int, list[float]]:
    """Length -> seconds of all repeats."""
    times: dict[int, list[float]] = {}
    for row in rows:
        if (row["prior"], row["batch"]) == (prior, batch):
            times.setdefault(row["length"], []).append(row["seconds"])
    return times


def _where(study: Path) -> str:
    facts = read_json(study / "speed.json")
    machine = facts["machine"]
    device = machine["gpu"] if facts["device"] != "cpu" else machine["processor"]
    return f"{device}, {facts['threads']} thread{'s' if facts['threads'] != 1 else ''}"
