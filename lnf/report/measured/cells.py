"""The cells of the paper's tables: which are measured at its settings, and how they came out."""

from collections.abc import Mapping, Sequence

import pandas
from pandas import DataFrame

from lnf.plan.stages import TABLES
from lnf.report.frames import markdown, number, records
from lnf.report.measured.archive import Facts, Kept
from lnf.report.measured.precision import bfloat16_counts
from lnf.report.measured.verdicts import verdict
from lnf.report.tables import summarise

Key = tuple[str, str]
"""Corpus and prior."""


def cells_section(kept: Sequence[Kept], published: DataFrame) -> list[str]:
    """Lines: a row for each of the paper's rows that are ours, a column for each of its corpora; none without kept
    results. A cell has its NLL and verdict, or what there is of it; that of float32 before that of bfloat16.
    """
    if not kept:
        return []
    names = pandas.concat([one.metrics[["prior", "label"]] for one in kept]).drop_duplicates()
    labels = dict(zip(names.prior, names.label, strict=True))
    nll = published[(published.split == "test") & (published.metric == "nll") & published.prior.isin(list(labels))]
    cells = list(dict.fromkeys(zip(nll.corpus, nll.prior, strict=True)))
    found: dict[Key, str] = {}
    for one in counted(kept):
        found |= _begun(one.facts)
    for one in counted(kept):
        mark = ", bfloat16" if one.in_bfloat16 else ""
        found |= {cell: text + mark for cell, text in _measured(one.metrics, published).items()}
    corpora, priors = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True))
    shown = {cell: found.get(cell, "not run") for cell in cells}
    rows = [
        [labels[prior], *(shown.get((corpus, prior), "") for corpus in corpora)] for prior in labels if prior in priors
    ]
    measured = sum(text[:1].isdigit() for text in shown.values())
    said = f"{measured} of its {len(cells)} cells are measured at its settings; NLL on test and verdict:"
    return ["## The paper's cells", "", said, "", *markdown(["model", *corpora], rows), ""]


def counted(kept: Sequence[Kept]) -> list[Kept]:
    """The configurations whose rows are cells of the paper: those at its settings, last; first those in bfloat16, if it
    changes nothing.
    """
    in_bfloat16 = [one for one in kept if one.in_bfloat16] if bfloat16_counts(kept) else []
    return in_bfloat16 + [one for one in kept if one.at_paper_settings]


def _measured(metrics: DataFrame, known: DataFrame) -> Mapping[Key, str]:
    cells = pandas.concat([summarise(table, metrics, known) for table in TABLES])
    nll = cells[(cells.split == "test") & (cells.metric == "nll") & cells["mean"].notna()]
    return {(row.corpus, row.prior): f"{number(row.mean)}, {verdict(row)}" for row in records(nll)}


def _begun(facts: Sequence[Facts]) -> Mapping[Key, str]:
    """Rows of which the furthest seed has not ended well."""
    done = {(one["corpus"], one["prior"]) for one in facts if one["status"] == "ok"}
    furthest = sorted(facts, key=lambda one: int(one["epochs"]))
    return {
        key: f"{one['status']}, {one['epochs']} of {one['spec']['train']['epochs']} epochs"
        for one in furthest
        if (key := (one["corpus"], one["prior"])) not in done
    }
