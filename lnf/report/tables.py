"""The paper's tables from gathered metrics: our mean and spread over seeds beside the published value."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from lnf.report import table_formats
from lnf.report.cell_status import failed_of, status_of
from lnf.report.cells import BASE, Cell
from lnf.report.gather import Row, read_metrics
from lnf.report.published import Published, PublishedKey, read_published
from lnf.report.tex import write_pdf
from lnf.system.files import replacing
from lnf.units import UNITS

TABLES = ("text", "ablation", "music")
QUANTITIES = ("nll", "nll_given_length", "elbo", "reconstruction", "kl", "length")
SPLITS = ("test", "valid")
COLUMNS = (
    "corpus", "prior", "split", "metric", "unit", "estimator", "k", "mean", "sd", "n",
    "published", "published_mark", "status",
)  # fmt: skip


def write_tables(metrics: str, published: str, options: Mapping[str, Any], out: Path) -> None:
    """Write OUT/{text, ablation, music}.{csv, md, tex} from metrics.parquet and the published numbers.

    `options` are the configuration's of tables.
    """
    rows, known = read_metrics(Path(metrics)), read_published(Path(published))
    for table in TABLES:
        write_table(out / table, table, summarise(table, rows, known), known, options)
    write_pdf([out / f"{table}.tex" for table in TABLES], out / "tables.pdf")


def write_table(
    base: Path,
    table: str,
    cells: Sequence[Cell],
    known: Mapping[PublishedKey, Published],
    options: Mapping[str, Any],
    forms: Sequence[str] = ("md", "tex"),
) -> None:
    """Write BASE.csv, and BASE in the forms for people. `options` are the configuration's of tables."""
    _write_csv(base.with_suffix(".csv"), cells)
    others = _others(table, cells, known) if options["others"] else []
    for form in forms:
        with replacing(base.with_suffix(f".{form}")) as scratch:
            scratch.write_text(table_formats.render(form, table, cells, others, options), encoding="utf-8")


def summarise(table: str, rows: Sequence[Row], published: Mapping[PublishedKey, Published]) -> list[Cell]:
    """A table's cells, variants in the order of the metrics; every quantity of both splits, missing ones too."""
    return [
        _cell(runs, split, metric, published.get(PublishedKey(table, corpus, prior, split, metric)))
        for (corpus, prior), runs in _variants(table, rows).items()
        for split in SPLITS
        for metric in QUANTITIES
    ]


def _variants(table: str, rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """(corpus, prior) -> its rows, of the variants that stand in a table."""
    ablated = {row["corpus"] for row in rows if row["role"] == "ablation"}
    chosen: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if table == "ablation":
            stands = row["role"] == "ablation" or (row["prior"] == BASE and row["corpus"] in ablated)
        else:
            stands = row["kind"] == table and row["role"] != "ablation"
        if stands:
            chosen.setdefault((row["corpus"], row["prior"]), []).append(row)
    order = list(dict.fromkeys(row["corpus"] for row in rows))
    return dict(sorted(chosen.items(), key=lambda item: order.index(item[0][0])))


def _cell(runs: Sequence[Row], split: str, metric: str, published: Published | None) -> Cell:
    found = [row for row in runs if row["split"] == split and row["metric"] == metric and row["status"] == "ok"]
    values = [row["value"] for row in found if row["value"] is not None]
    first = runs[0]
    return Cell(
        corpus=first["corpus"],
        prior=first["prior"],
        label=first["label"],
        split=split,
        metric=metric,
        unit=UNITS[first["kind"]][0],
        estimator=found[0]["estimator"] if found else None,
        k=found[0]["k"] if found else None,
        mean=mean(values) if values else None,
        sd=stdev(values) if len(values) > 1 else None,
        n=len(values),
        published=published,
        status=status_of(runs),
        failed=failed_of(runs),
    )


def _others(table: str, cells: Sequence[Cell], published: Mapping[PublishedKey, Published]) -> list[Cell]:
    """Models of the paper's table that are not ours, on corpora that are, as cells without a mean."""
    ours = {(cell.corpus, cell.prior): cell.unit for cell in cells}
    units = {corpus: unit for (corpus, _), unit in ours.items()}
    return [
        Cell(corpus, prior, number.label, split, metric, units[corpus], None, None, None, None, 0, number, "published")
        for (where, corpus, prior, split, metric), number in published.items()
        if where == table and corpus in units and (corpus, prior) not in ours
    ]


def _write_csv(path: Path, cells: Sequence[Cell]) -> None:
    with replacing(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_csv_row(cell) for cell in cells)


def _csv_row(cell: Cell) -> Iterator[Any]:
    published, mark = (cell.published.value, cell.published.mark) if cell.published else (None, None)
    extra = {"published": published, "published_mark": mark}
    for column in COLUMNS:
        value = extra[column] if column in extra else getattr(cell, column)
        yield "" if value is None else value
