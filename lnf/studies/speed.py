"""How long sampling takes, against the length: every model of a corpus in turn, on one device, alone on it."""

import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow
import torch

from lnf.models.base import SequenceModel
from lnf.report.figures.canvas import Canvas, save
from lnf.report.figures.style import looks
from lnf.runs import checkpoint
from lnf.runs.machine import device_of, settle
from lnf.runs.progress import ProgressFile, shown
from lnf.runs.seeds import generator
from lnf.system import provenance
from lnf.system.files import read_json, write_json
from lnf.system.sealed import read_rows, write_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONG_S = 10.0
"""A sample that takes longer is taken once."""
NAME_HEIGHT = 0.05
"""Of a model's name next to its line, as a share of the axis."""


def run_speed(runs: Sequence[str], settings: Mapping[str, Any], threads: int, gpus: float | str, out: Path) -> None:
    """Write OUT/speed.parquet (prior, batch, length, repeat, seconds) and, last, OUT/speed.json (device, threads).

    `runs` are folders of trained models of one corpus; `settings`: batches (sequences), lengths (how many, up to the
    longest that the model knows, each half of the next), repeats. A sample is lengths to x: prior, decoder and the
    drawing of x. Models take turns, so that what the machine does meanwhile is shared out.
    """
    settle(threads)
    device = device_of(gpus)
    models = {}
    for folder in runs:
        model, spec, _ = checkpoint.load(Path(folder) / "model.pt")
        models[spec.prior.name] = model.to(device)
    rows: list[dict[str, Any]] = []
    progress = ProgressFile(out)
    grid = list(_grid(next(iter(models.values())).max_length, settings))
    with shown(out, f"speed of {spec.corpus}"):
        for done, (batch, length) in enumerate(grid):
            for repeat in range(settings["repeats"]):
                for prior, model in models.items():
                    if not repeat or _last(rows, prior, batch, length) < LONG_S:
                        seconds = seconds_of(model, batch, length, repeat, device)
                        key = {"prior": prior, "batch": batch, "length": length, "repeat": repeat}
                        rows.append({**key, "seconds": seconds})
            message = f"{batch} x {length} steps: {_medians(rows, batch, length)}"
            progress.write(message, (done + 1) / len(grid))
    write_table(out / "speed.parquet", pyarrow.Table.from_pylist(rows))
    progress.remove()
    write_json(out / "speed.json", {"device": str(device), "threads": threads, "machine": provenance.machine()})


@torch.no_grad()
def seconds_of(model: SequenceModel, batch: int, length: int, repeat: int, device: torch.device) -> float:
    """Seconds for one sample of `batch` sequences; the first of a model is preceded by one that does not count."""
    lengths_B = torch.full((batch,), length, device=device)
    noise = generator(device, repeat, "speed")
    if not repeat:
        model.sample(torch.full((batch,), min(2, length), device=device), noise)
    _wait(device)
    start = time.perf_counter()
    model.sample(lengths_B, noise)
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _grid(longest: int, settings: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    lengths = sorted({max(1, longest >> halvings) for halvings in range(settings["lengths"])})
    yield from ((batch, length) for batch in settings["batches"] for length in lengths)


def _last(rows: Sequence[Mapping[str, Any]], prior: str, batch: int, length: int) -> float:
    mine = [row["seconds"] for row in rows if (row["prior"], row["batch"], row["length"]) == (prior, batch, length)]
    return float(mine[-1])


def _medians(rows: Sequence[Mapping[str, Any]], batch: int, length: int) -> str:
    here = [row for row in rows if (row["batch"], row["length"]) == (batch, length)]
    times = {prior: statistics.median(row["seconds"] for row in here if row["prior"] == prior)
             for prior in dict.fromkeys(row["prior"] for row in here)}  # fmt: skip
    return ", ".join(f"{prior} {seconds:.3g} s" for prior, seconds in times.items())


def draw(studies: Mapping[str | None, Sequence[Path]], labels: Mapping[str, str], folder: Path) -> None:
    """speed.* from STUDY/speed.{parquet,json} of each corpus: a panel a batch size, a line a model, the median."""
    save(folder, "speed", partial(_draw, studies, labels))


def _draw(studies: Mapping[str | None, Sequence[Path]], labels: Mapping[str, str], canvas: Canvas) -> None:
    from matplotlib.ticker import ScalarFormatter

    tables = {corpus: read_rows(folders[0] / "speed.parquet") for corpus, folders in studies.items()}
    batches = {corpus: dict.fromkeys(row["batch"] for row in rows) for corpus, rows in tables.items()}
    panels = [(corpus, batch) for corpus, sizes in batches.items() for batch in sizes]
    columns = 1 if canvas.narrow else 2
    drawn = canvas.figure(2.8 * -(-len(panels) // columns))
    grid = drawn.subplots(-(-len(panels) // columns), columns, squeeze=False).flatten()
    for axes, (corpus, batch) in zip(grid, panels, strict=False):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.set_xlabel("steps")
        axes.set_ylabel("seconds per batch")
        axes.set_title(f"{corpus}, B = {batch}: {where(studies[corpus][0])}", loc="left", fontsize=6)
        times = {prior: _by_length(tables[corpus], prior, batch) for prior in labels}
        _lines(axes, {prior: mine for prior, mine in times.items() if mine}, labels, canvas, f"{corpus}, B = {batch}")
    for axes in grid[len(panels) :]:
        axes.set_axis_off()


def _lines(
    axes: "Axes", times: Mapping[str, Mapping[int, list[float]]], labels: Mapping[str, str], canvas: Canvas, panel: str
) -> None:
    """A line for each model, with its name where it ends."""
    style = looks(list(labels))
    for prior, by_length in times.items():
        medians = {length: statistics.median(seconds) for length, seconds in by_length.items()}
        axes.plot(list(medians), list(medians.values()), linewidth=0.8, **(style[prior] | {"marker": ""}))
        for length, seconds in by_length.items():
            (point,) = axes.plot(length, medians[length], color=style[prior]["color"], marker=style[prior]["marker"])
            low, high = min(seconds), max(seconds)
            facts = {"value": medians[length], "unit": f"s (of {len(seconds)}: {low:.3g} to {high:.3g})"}
            canvas.mark(point, model=labels[prior], panel=panel, length=f"{length} steps", **facts)
    ends = {prior: statistics.median(by_length[max(by_length)]) for prior, by_length in times.items()}
    last = max(length for by_length in times.values() for length in by_length)
    for prior, place in _apart(ends, axes.get_ylim()).items():
        axes.annotate(
            labels[prior], (last, ends[prior]), (1.06, place), textcoords="axes fraction", fontsize=5.5, va="center",
            color=style[prior]["color"], arrowprops={"arrowstyle": "-", "linewidth": 0.3, "relpos": (0, 0.5)},
        )  # fmt: skip


def _apart(ends: Mapping[str, float], limits: tuple[float, float]) -> dict[str, float]:
    """Where the names of lines are, as shares of a logarithmic axis: next to their ends, in that order, and a line of
    text apart. Names that are too near share what they lack.
    """
    low, high = map(math.log10, limits)
    names = sorted(ends, key=lambda name: ends[name])
    places = [(math.log10(ends[name]) - low) / (high - low) for name in names]
    for _ in range(100):
        for n in range(1, len(places)):
            lack = NAME_HEIGHT - (places[n] - places[n - 1])
            if lack > 0:
                places[n], places[n - 1] = places[n] + lack / 2, places[n - 1] - lack / 2
    return dict(zip(names, places, strict=True))


def times_of(rows: Sequence[Mapping[str, Any]], prior: str) -> dict[tuple[int, int], list[float]]:
    """(batch, length) -> seconds of all repeats of a model."""
    times: dict[tuple[int, int], list[float]] = {}
    for row in rows:
        if row["prior"] == prior:
            times.setdefault((row["batch"], row["length"]), []).append(row["seconds"])
    return times


def _by_length(rows: Sequence[Mapping[str, Any]], prior: str, batch: int) -> dict[int, list[float]]:
    """Length -> seconds of all repeats of a model, in batches of one size."""
    return {length: seconds for (of, length), seconds in times_of(rows, prior).items() if of == batch}


def where(study: Path) -> str:
    """The device that a study was made on."""
    facts = read_json(study / "speed.json")
    machine = facts["machine"]
    device = machine["gpu"] if facts["device"] != "cpu" else machine["processor"]
    return f"{device}, {facts['threads']} thread{'s' if facts['threads'] != 1 else ''}"
