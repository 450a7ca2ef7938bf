"""The paper's tables: mean and spread over seeds, next to the published value, as CSV, Markdown and LaTeX."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from math import nan
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from pandas import DataFrame, MultiIndex

from lnf.kinds.base import kind_of
from lnf.plan.stages import tables_of
from lnf.report import table_formats
from lnf.report.frames import read_csv, write_csv
from lnf.report.metrics import read_metrics
from lnf.report.table_formats import write_pdf
from lnf.system.files import replacing

QUANTITIES = ("nll", "nll_given_length", "elbo", "reconstruction", "kl", "length")
SPLITS = ("test", "valid")
COLUMNS = (
    "corpus", "prior", "split", "metric", "unit", "estimator", "k", "mean", "sd", "n",
    "published", "published_mark", "status",
)  # fmt: skip
VARIANT, QUANTITY = ["corpus", "prior"], ["split", "metric"]
"""Columns that name a row of a table, and a column of it."""
BASE = table_formats.BASE
MISSING = ("not_run", "unfinished")
"""Statuses of seeds that are not finished yet; they say nothing about the result."""


def write_tables(metrics: str, published: str, options: Mapping[str, Any], out: Path) -> None:
    """Write OUT/TABLE.{csv, md, tex} from metrics.parquet and the published numbers: text, ablation, music, and a table
    for each other kind of data.

    `options` are the configuration's of tables.
    """
    measured, known = read_metrics(Path(metrics)), read_published(Path(published))
    tables = tables_of(measured.kind.unique())
    for table, name in tables.items():
        write_table(out / name, table, summarise(table, measured, known), known, options)
    write_pdf([out / f"{name}.tex" for name in tables.values()], out / "tables.pdf")


def write_table(
    base: Path, table: str, cells: DataFrame, known: DataFrame, options: Mapping[str, Any],
    forms: Sequence[str] = ("md", "tex"),
) -> None:  # fmt: skip
    """Write BASE.csv, and BASE in the forms for people. `options` are the configuration's of tables."""
    write_csv(base.with_suffix(".csv"), COLUMNS, cells)
    others = _others(table, cells, known if options["others"] else known[:0])
    for form in forms:
        with replacing(base.with_suffix(f".{form}")) as scratch:
            scratch.write_text(table_formats.render(form, table, cells, others, options), encoding="utf-8")


def read_published(path: Path) -> DataFrame:
    """The paper's numbers, reports/paper.csv: `published` and its `published_mark`, certain or memory (recalled)."""
    known = read_csv(path).rename(columns={"value": "published", "mark": "published_mark"})
    return known.astype({"published": float})


def on_test(published: DataFrame) -> dict[tuple[str, str, str], Any]:
    """(corpus, prior, metric) -> the published number on test."""
    rows = published[published.split == "test"].itertuples(index=False)
    return {(str(row.corpus), str(row.prior), str(row.metric)): row for row in rows}


def summarise(table: str, metrics: DataFrame, published: DataFrame) -> DataFrame:
    """A table's cells: a row for each variant, split and quantity, missing ones too; variants in the metrics' order. A
    split that nothing was scored on is left out.

    `mean` is missing if no seed gave a number, `sd` (n-1) if fewer than two did; `n` counts finished seeds, and
    `failed` those that diverged or ended in an error. Values are in `unit`.
    """
    runs = _of_table(table, metrics)
    variants = DataFrame([_variant(mine) for _, mine in runs.groupby(VARIANT, sort=False)])
    if variants.empty:
        return DataFrame(columns=[*COLUMNS, "label", "failed"])
    scored = set(metrics.split.dropna())
    splits = [split for split in SPLITS if split in scored or not scored]
    quantities = DataFrame(list(product(splits, QUANTITIES)), columns=QUANTITY)
    known = published[published.table == table][[*VARIANT, *QUANTITY, "published", "published_mark"]]
    cells = variants.merge(quantities, how="cross").merge(_over_seeds(runs), how="left", on=[*VARIANT, *QUANTITY])
    cells = cells.merge(known, how="left", on=[*VARIANT, *QUANTITY])
    return cells.fillna({"n": 0}).astype({"n": int})


def status_of(runs: DataFrame) -> str:
    """The state of a variant's seeds: ok, diverged, error, not_run, or `partial k/n (...)`."""
    seeds = dict(zip(runs.seed, runs.status, strict=True))
    counts = Counter(seeds.values())
    others = ", ".join(f"{status} {count}" for status, count in sorted(counts.items()) if status != "ok")
    if len(counts) == 1:
        return str(next(iter(counts)))
    return f"partial {counts['ok']}/{len(seeds)} ({others})" if counts["ok"] else others


def _of_table(table: str, metrics: DataFrame) -> DataFrame:
    """The metrics of the variants that a table shows, by corpus."""
    ablation = metrics.role == "ablation"
    if table == "ablation":
        base = (metrics.prior == BASE) & metrics.corpus.isin(metrics.corpus[ablation])
        shown = metrics[ablation | base]
    else:
        shown = metrics[(metrics.kind == table) & ~ablation]
    order = {corpus: place for place, corpus in enumerate(metrics.corpus.unique())}
    return shown.sort_values("corpus", key=lambda corpora: corpora.map(order), kind="stable")


def _variant(runs: DataFrame) -> dict[str, Any]:
    first = runs.iloc[0]
    failed = runs.seed[~runs.status.isin(["ok", *MISSING])].nunique(dropna=False)
    names = {name: first[name] for name in ("corpus", "prior", "label")}
    return {**names, "unit": unit_of(runs), "status": status_of(runs), "failed": failed}


def unit_of(rows: DataFrame) -> str:
    """The unit of metrics of one corpus; of one that is not prepared yet, that of its kind."""
    found = rows.unit.dropna()
    return str(found.iloc[0]) if len(found) else kind_of(str(rows.kind.iloc[0])).unit_for()


def _over_seeds(runs: DataFrame) -> DataFrame:
    """Mean and standard deviation of each quantity; by the standard library's sums, which are exact."""
    found = runs[(runs.status == "ok") & runs.value.notna()]
    return found.groupby([*VARIANT, *QUANTITY], sort=False, as_index=False).agg(
        estimator=("estimator", "first"), k=("k", "first"), n=("value", "size"),
        mean=("value", mean), sd=("value", lambda values: stdev(values) if len(values) > 1 else nan),
    )  # fmt: skip


def _others(table: str, cells: DataFrame, published: DataFrame) -> DataFrame:
    """Models of the paper's table that are not ours, on corpora that are, as cells without a mean."""
    units = dict(zip(cells.corpus, cells.unit, strict=True))
    known = published[(published.table == table) & published.corpus.isin(list(units))]
    ours = MultiIndex.from_frame(known[VARIANT]).isin(MultiIndex.from_frame(cells[VARIANT]))
    others = known[~ours].assign(unit=known.corpus.map(units), n=0, failed=0, status="published")
    return others.reindex(columns=cells.columns).astype(cells.dtypes)
