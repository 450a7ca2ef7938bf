"""Kept results next to the best published likelihoods on the same sets: reports/literature.csv."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pandas import DataFrame

from lnf.report.frames import markdown, number, read_csv, records
from lnf.report.measured.archive import Kept
from lnf.report.outcomes import outcomes
from lnf.report.tables import on_test

Line = tuple[float, list[str]]
"""An NLL, and the cells of its row."""
COLUMNS = ("model", "NLL given T, test", "estimate", "notes of a step", "source")
HEAD = """## Other published models

The usual protocol for these sets: nats a step, without the length, divided by the sum of T (NLL given T). RNN-NADE lets
the notes of a step depend on each other. The paper's model and its LSTM do not: given z, or given the steps before, the
keys of a step are independent, so that what binds the notes of a chord has to come through z. What both gain by notes
that depend on each other: docs/decisions/021-notes-of-a-step.md. A bound is of as many samples as its authors took. A
number with † is recalled and was not read again. NLL of ours: the mean over seeds.
"""


def literature_section(literature: Path, published: DataFrame, kept: Sequence[Kept]) -> list[str]:
    """Lines: a table for each corpus of which a row is kept.

    A row of reports/literature.csv has its NLL itself, or is `quoted` by the paper (a model of reports/paper.csv), or
    is ours: `kept` is CONFIGURATION/CORPUS/PRIOR.
    """
    quoted = on_test(published)
    by_name = {one.folder.name: one for one in kept}
    lines: list[str] = []
    for corpus, models in read_csv(literature).groupby("corpus", sort=False):
        rows = records(models)
        ours = [line for row in rows if row.kept and (line := _ours(by_name, row)) is not None]
        if ours:
            found = sorted([*ours, *(_theirs(row, quoted) for row in rows if not row.kept)], key=lambda one: one[0])
            lines += [f"{corpus}:", "", *markdown(COLUMNS, [cells for _, cells in found]), ""]
    return [HEAD, *lines] if lines else []


def _theirs(row: Any, quoted: Mapping[tuple[str, str, str], Any]) -> Line:
    if row.quoted:
        known = quoted[row.corpus, row.quoted, "nll"]
        nll = f"{known.published:.2f}{'†' if known.published_mark == 'memory' else ''}"
        return known.published, [row.model, nll, row.estimate, row.notes, row.source]
    return float(row.nll), [row.model, row.nll, row.estimate, row.notes, row.source]


def _ours(kept: Mapping[str, Kept], row: Any) -> Line | None:
    """A kept row; None without a number."""
    configuration, corpus, prior = row.kept.split("/")
    if configuration not in kept:
        return None
    known = outcomes(kept[configuration].metrics).get(corpus, ())
    mine = next((one for one in known if one.prior == prior), None)
    nll = None if mine is None else mine.mean("nll_given_length")
    if mine is None or nll is None:
        return None
    estimate = "exact" if mine.k is None else f"bound, K = {mine.k}"
    seeds = len(mine.of("nll_given_length"))
    source = f"configuration `{configuration}`, {seeds} seed{'s' * (seeds > 1)}"
    return nll, [f"{mine.label}, ours", number(nll), estimate, row.notes, source]
