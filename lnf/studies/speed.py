"""How long sampling takes, against the length: every model of a corpus in turn, on one device, alone on it."""

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow
import torch

from lnf.models.base import SequenceModel
from lnf.report.figures.style import INCH_PAGE, figure, looks
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
    """speed.{pdf,png} from STUDY/speed.{parquet,json} of each corpus: a row a corpus, a panel a batch size, a line a
    model: the median, and the range of all repeats.
    """
    from matplotlib.ticker import ScalarFormatter

    tables = {corpus: read_rows(folders[0] / "speed.parquet") for corpus, folders in studies.items()}
    batches = list(dict.fromkeys(row["batch"] for rows in tables.values() for row in rows))
    with figure(folder, "speed", INCH_PAGE, 2.4 * len(tables) + 0.8) as drawn:
        grid = drawn.subplots(len(tables), len(batches), squeeze=False, sharey="row")
        for axes_row, (corpus, rows) in zip(grid, tables.items(), strict=True):
            for axes, batch in zip(axes_row, batches, strict=True):
                _lines(axes, {prior: _by_length(rows, prior, batch) for prior in labels}, labels)
                axes.set_xscale("log", base=2)
                axes.set_yscale("log")
                axes.xaxis.set_major_formatter(ScalarFormatter())
                axes.set_xlabel("steps")
                axes.set_title(f"{corpus}, B = {batch}: {where(studies[corpus][0])}", loc="left", fontsize=6)
            axes_row[0].set_ylabel("seconds per batch")
        handles, names = grid[0][0].get_legend_handles_labels()
        drawn.legend(handles, names, loc="outside lower center", ncols=4)


def _lines(axes: "Axes", times: Mapping[str, Mapping[int, list[float]]], labels: Mapping[str, str]) -> None:
    style = looks(list(labels))
    for prior, label in labels.items():
        by_length = times[prior]
        if by_length:
            axes.plot(list(by_length), list(map(statistics.median, by_length.values())), label=label, **style[prior])
            low, high = (list(map(bound, by_length.values())) for bound in (min, max))
            axes.fill_between(list(by_length), low, high, color=style[prior]["color"], alpha=0.15, linewidth=0)


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
