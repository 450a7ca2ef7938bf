"""report.html: everything of a plan on one page, from result files and the views next to it."""

import base64
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml
from pandas import DataFrame

from lnf.plan.stages import tables_of
from lnf.report.frames import records
from lnf.report.measured.archive import Kept, hours_of
from lnf.report.measured.cells import counted
from lnf.report.measured.documents import HEADINGS, rows_of
from lnf.report.metrics import read_metrics
from lnf.report.outcomes import SURE, outcomes
from lnf.report.page.answer import Bounds, answers
from lnf.report.page.charts import charts
from lnf.report.page.listing import runs_of, setting
from lnf.report.page.showcase import showcase, worst_of
from lnf.report.table_formats import LEGEND, NAMES, title_of
from lnf.report.tables import SPLITS, read_published, summarise
from lnf.system.files import read_json, replacing
from lnf.system.sealed import read_rows

KINDS = {".ogg": "audio/ogg"}


def write_page(out: Path, **shown: Any) -> None:
    """Write OUT/report.html and OUT/config.yaml, the whole configuration as an overlay. `shown` is what
    `lnf.plan.results.Plan.shown` gives for the page.
    """
    metrics = read_metrics(Path(shown["metrics"]))
    template = Path(shown["template"])
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["grouped_by"] = grouped_by
    page = environment.get_template(template.name).render(context(shown, metrics))
    with replacing(out / "config.yaml") as scratch:
        scratch.write_text(yaml.safe_dump(shown["config"], sort_keys=False, allow_unicode=True), encoding="utf-8")
    with replacing(out / "report.html") as scratch:
        scratch.write_text(page, encoding="utf-8")


def context(shown: Mapping[str, Any], metrics: DataFrame) -> dict[str, Any]:
    """All that the template shows."""
    corpora = outcomes(metrics)
    lines = runs_of(shown["runs"], metrics, Path(shown["published_at"]))
    views = {stage: Path(folder) for stage, folder in shown["views"].items()}
    found = list(answers(corpora, shown["runs"], _bounds(shown["studies"]), _sources(shown["corpora"])))
    samples = _samples(views["samples"])
    published, kept = read_published(Path(shown["published"])), [Kept(Path(folder)) for folder in shown["measured"]]
    return {
        "name": shown["name"],
        "config": str(Path(shown["published_at"], "config.yaml")),
        "note": shown["note"],
        "answers": found,
        "sure": SURE,
        "tables": tables(metrics, published),
        "headings": NAMES,
        "legend": LEGEND,
        "charts": charts(Path(shown["captions"]), views["figures"]),
        "showcase": showcase(found, samples),
        "worst_of": worst_of,
        "coverage": _coverage(shown["rows"], published, kept, lines),
        "samples": samples,
        "runs": lines,
        "measured": _measured(kept, published),
        "setting": setting(lines),
        "data_uri": lambda name: data_uri(_file(views, name)),
        "text_of": lambda name: _file(views, name).read_text(encoding="utf-8"),
    }


def tables(metrics: DataFrame, known: DataFrame) -> list[dict[str, Any]]:
    """Each table by blocks of a corpus and a split, test first: its lines are {prior, label, reference, cells}."""
    references = set(metrics.prior[metrics.role == "reference"])
    found = []
    for table in tables_of(metrics.kind.unique()):
        cells = summarise(table, metrics, known)
        blocks = [
            {"corpus": corpus, "split": split, "lines": _lines(mine[mine.split == split], references),
             "unit": mine.unit.iloc[0]}
            for corpus, mine in cells.groupby("corpus", sort=False)
            for split in SPLITS
            if split in set(mine.split)
        ]  # fmt: skip
        if blocks:
            found.append({"title": title_of(table), "blocks": blocks})
    return found


def _lines(cells: DataFrame, references: Container[str]) -> list[dict[str, Any]]:
    return [
        {"prior": prior, "label": mine.label.iloc[0], "reference": prior in references,
         "cells": {cell.metric: cell for cell in records(mine)}}
        for prior, mine in cells.groupby("prior", sort=False)
    ]  # fmt: skip


def grouped_by(items: Iterable[Mapping[str, Any]], *keys: str) -> list[tuple[Any, list[Mapping[str, Any]]]]:
    """(value, or values, of the keys; the items that have them), in the order of the items."""
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for item in items:
        values = tuple(item[key] for key in keys)
        groups.setdefault(values if len(keys) > 1 else values[0], []).append(item)
    return list(groups.items())


def _bounds(studies: Iterable[Mapping[str, Any]]) -> Bounds:
    """The rows of each study of bounds that is there."""
    files = [(study["corpus"], Path(study["files"][0])) for study in studies if study["stage"] == "bounds"]
    tables = [(corpus, read_rows(file)) for corpus, file in files if file.exists()]
    return {(corpus, rows[0]["prior"]): rows for corpus, rows in tables}


def _sources(corpora: Iterable[Mapping[str, Any]]) -> dict[str, bool]:
    """Corpus -> whether its source is known, from its meta.json."""
    files = {corpus["corpus"]: Path(corpus["data"], "meta.json") for corpus in corpora}
    return {corpus: file.exists() and bool(read_json(file).get("source")) for corpus, file in files.items()}


def _measured(kept: Iterable[Kept], published: DataFrame) -> dict[str, Any] | None:
    """What was measured at the paper's settings, to be shown next to the results of a smaller configuration."""
    of_paper = [one for one in kept if one.at_paper_settings]
    if not of_paper:
        return None
    rows = [row for one in of_paper for row in rows_of(one, published)]
    return {"headings": HEADINGS, "rows": rows, "hours": sum(hours_of(one.facts) for one in of_paper)}


def _coverage(
    priors: Collection[str], published: DataFrame, kept: Sequence[Kept], lines: Iterable[Mapping[str, Any]]
) -> dict[str, int]:
    """How many of the paper's cells, rows of a corpus with a published NLL, are measured: `measured` of `cells`, at its
    settings here, or in a configuration that counts.
    """
    known = published[(published.split == "test") & (published.metric == "nll") & published.prior.isin(priors)]
    cells = set(zip(known.corpus, known.prior, strict=True))
    here = [line["facts"] for line in lines if line["facts"] and not line["facts"]["differs_from_paper"]]
    facts = [*here, *(facts for one in counted(kept) for facts in one.facts)]
    done = {(one["corpus"], one["prior"]) for one in facts if one["status"] == "ok"}
    return {"measured": len(cells & done), "cells": len(cells)}


def _samples(folder: Path) -> dict[str, Any]:
    path = folder / "samples.json"
    found: dict[str, Any] = read_json(path) if path.exists() else {"runs": [], "corpora": {}}
    return found


def _file(views: Mapping[str, Path], name: str) -> Path:
    """A file of a view, by its name where views are published."""
    place, *rest = Path(name).parts
    return views[place].joinpath(*rest)


def data_uri(path: Path) -> str:
    """The file's content as an address that needs no network."""
    return f"data:{KINDS[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"
