"""The points of a sweep, ranked by their NLL on valid: a table, a figure, and the best one as an overlay."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

import pyarrow
import yaml

from lnf.errors import UserError
from lnf.plan.config import merge
from lnf.plan.run import absence
from lnf.plan.sweeps import Point
from lnf.report.figures.canvas import Canvas, save
from lnf.report.figures.style import COLOURS
from lnf.report.frames import markdown, number, write_csv
from lnf.spec import LONGEST_NAME
from lnf.system.files import read_json, replacing
from lnf.system.sealed import read_rows, write_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS = pyarrow.schema({
    "point": pyarrow.string(), "settings": pyarrow.string(), "seed": pyarrow.int64(), "status": pyarrow.string(),
    "unit": pyarrow.string(), "nll": pyarrow.float64(), "parameters": pyarrow.int64(), "minutes": pyarrow.float64(),
})  # fmt: skip
"""A row for each point and seed. `nll` is on valid, in `unit`; `settings` are JSON; `minutes` are those of training."""
PANEL_INCH = 2.6

Row = Mapping[str, Any]


def run_sweep(corpus: str, prior: str, runs: Sequence[Row], overlay: Mapping[str, Any], out: Path) -> None:
    """Write OUT/sweep.{parquet, csv, md} and, of the best point, OUT/best.yaml, an overlay that trains it.

    `runs` name point, settings, seed, folder and evaluation; `overlay` is the sweep's configuration. Raises UserError
    if no point has a number on valid.
    """
    rows = [_row(run) for run in runs]
    write_table(out / "sweep.parquet", pyarrow.Table.from_pylist(rows, ROWS))
    ranked = rank(rows)
    settings = list(json.loads(ranked[0]["settings"]))
    columns = [*settings, "nll", "sd", "n", "status", "unit", "parameters", "minutes", "point"]
    table = [{**json.loads(one["settings"]), **one} for one in ranked]
    write_csv(out / "sweep.csv", columns, table)
    with replacing(out / "sweep.md") as scratch:
        scratch.write_text("\n".join(_markdown(corpus, prior, settings, table)) + "\n", encoding="utf-8")
    best = ranked[0]
    if best["nll"] is None:
        raise UserError(f"sweep: {corpus}: no point has a number on valid: {best['status']}")
    with replacing(out / "best.yaml") as scratch:
        scratch.write_text(_best(corpus, prior, json.loads(best["settings"]), overlay, best), encoding="utf-8")
    print(f"lnf: sweep of {prior} on {corpus}: best of {len(ranked)} on valid: {_words(best)}; {out / 'best.yaml'}")


def rank(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A line for each point, the least mean NLL on valid first; those of which a seed has no number come last."""
    points: dict[str, list[Row]] = {}
    for row in rows:
        points.setdefault(row["point"], []).append(row)
    lines = [_line(mine) for mine in points.values()]
    return sorted(lines, key=lambda line: (line["status"] != "ok", line["nll"] is None, line["nll"]))


def _row(run: Row) -> dict[str, Any]:
    folder = Path(run["folder"])
    row = {"point": run["point"], "settings": json.dumps(run["settings"]), "seed": run["seed"]}
    status = absence(folder, run["evaluation"])
    if status:
        return {**row, "status": status}
    facts = read_json(folder / "run.json")
    scores = [one for one in read_rows(folder / f"evaluation-{run['evaluation']}.parquet")
              if (one["split"], one["metric"]) == ("valid", "nll")]  # fmt: skip
    measured = {"nll": scores[0]["value"], "unit": scores[0]["unit"]} if scores else {}
    about = {"status": facts["status"], "parameters": facts["parameters"], "minutes": facts["wall_seconds"] / 60}
    return {**row, **about, **measured}


def _line(rows: Sequence[Row]) -> dict[str, Any]:
    values = [row["nll"] for row in rows if row.get("nll") is not None]
    failed = sorted({row["status"] for row in rows if row.get("nll") is None})
    return {
        "point": rows[0]["point"],
        "settings": rows[0]["settings"],
        "nll": mean(values) if values else None,
        "sd": stdev(values) if len(values) > 1 else None,
        "n": len(values),
        "status": ", ".join(failed) or "ok",
        "unit": next((row["unit"] for row in rows if row.get("unit")), ""),
        "parameters": next((row["parameters"] for row in rows if row.get("parameters")), None),
        "minutes": sum(row.get("minutes") or 0.0 for row in rows),
    }


def _markdown(corpus: str, prior: str, settings: Sequence[str], table: Sequence[Row]) -> Iterator[str]:
    unit = next((one["unit"] for one in table if one["unit"]), "")
    yield f"# {prior} on {corpus}: {len(table)} points"
    yield ""
    yield f"NLL on valid ({unit}): mean ± standard deviation (n-1) over n seeds; minutes of all. Test was left out."
    yield ""
    heads = [*settings, "NLL, valid", "n", "parameters", "minutes", "status"]
    lines = [
        [*(str(one[key]) for key in settings), _value(one), str(one["n"]),
         "" if one["parameters"] is None else f"{one['parameters']:,}", f"{one['minutes']:.1f}", one["status"]]
        for one in table
    ]  # fmt: skip
    yield from markdown(heads, lines)


def _value(one: Row) -> str:
    if one["nll"] is None:
        return ""
    return number(one["nll"]) + ("" if one["sd"] is None else f" ± {number(one['sd'])}")


def _words(best: Row) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in json.loads(best["settings"]).items())
    return f"{settings}: {_value(best)} {best['unit']}"


def _best(corpus: str, prior: str, settings: Mapping[str, Any], overlay: Mapping[str, Any], best: Row) -> str:
    name = f"{overlay['name'][: LONGEST_NAME - len('_best')]}_best"
    chosen = {
        "name": name,
        "select": {"corpora": [corpus], "priors": [prior]},
        "overrides": {"priors": {prior: Point(prior, settings).sections}},
    }
    head = f"# The best point of a sweep of {prior} on {corpus}, by valid: {_words(best)}.\n"
    return head + yaml.safe_dump(merge(overlay, chosen), sort_keys=False, allow_unicode=True)


def draw(studies: Mapping[str | None, Sequence[Path]], labels: Mapping[str, str], folder: Path) -> None:
    """sweep-CORPUS.*: a panel for each setting; the line joins the best point of each value."""
    for corpus, (found, *_) in studies.items():
        save(folder, f"sweep-{corpus}", partial(_draw, str(corpus), found))


def _draw(corpus: str, study: Path, canvas: Canvas) -> None:
    ranked = [one for one in rank(read_rows(study / "sweep.parquet")) if one["nll"] is not None]
    values = [json.loads(one["settings"]) for one in ranked]
    settings = list(values[0])
    columns = 1 if canvas.narrow else len(settings)
    drawn = canvas.figure(PANEL_INCH * -(-len(settings) // columns))
    panels = drawn.subplots(-(-len(settings) // columns), columns, squeeze=False, sharey=True).flatten()
    for axes, key in zip(panels, settings, strict=True):
        _panel(axes, key, [one[key] for one in values], ranked, canvas)
        axes.set_ylabel(f"NLL on valid ({ranked[0]['unit']})")
        axes.label_outer(remove_inner_ticks=False)
    drawn.suptitle(f"{corpus}: {len(ranked)} points")


def _panel(axes: "Axes", key: str, values: Sequence[Any], ranked: Sequence[Mapping[str, Any]], canvas: Canvas) -> None:
    known = sorted(set(values), key=lambda value: (isinstance(value, str), value))
    nll = [one["nll"] for one in ranked]
    for value, one in zip(values, ranked, strict=True):
        (point,) = axes.plot(known.index(value), one["nll"], "o", color=COLOURS[0], markersize=4)
        canvas.mark(point, setting=f"{key} {value}", of=one["settings"], value=one["nll"], unit=one["unit"])
    least = [min(one for value, one in zip(values, nll, strict=True) if value == wanted) for wanted in known]
    axes.plot(range(len(known)), least, color=COLOURS[1], linewidth=1)
    axes.set_xticks(range(len(known)), [str(value) for value in known])
    axes.set_xlabel(key)
