"""The cells of the paper's tables: which are measured at its settings, and how they came out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas
from pandas import DataFrame

from lnf.plan.stages import TABLES
from lnf.report.frames import markdown, number, records
from lnf.report.measured.archive import Facts, Kept
from lnf.report.measured.precision import bfloat16_counts
from lnf.report.measured.verdicts import WITHIN, WORDS, verdict
from lnf.report.outcomes import SURE
from lnf.report.tables import summarise

Key = tuple[str, str]
"""Corpus and prior."""
NOT_RUN = "not run"


class Cell(NamedTuple):
    """What there is of a cell: how it came out, in a word or two, and all that is to be said."""

    outcome: str
    text: str


def cells(kept: Sequence[Kept], published: DataFrame) -> dict[Key, Cell]:
    """The cells of the paper, of each corpus those of its rows that are ours: NLL and verdict, or what there is of it;
    that of float32 before that of bfloat16.
    """
    nll = published[(published.split == "test") & (published.metric == "nll") & published.prior.isin(_labels(kept))]
    found: dict[Key, Cell] = {}
    those = counted(kept)
    for one in those:
        found |= _begun(one.facts)
    for one in those:
        found |= _measured(one, published)
    keys = dict.fromkeys(zip(nll.corpus, nll.prior, strict=True))
    return {key: found.get(key, Cell(NOT_RUN, NOT_RUN)) for key in keys}


def cells_section(kept: Sequence[Kept], published: DataFrame) -> list[str]:
    """Lines: a row for each of the paper's rows that are ours, a column for each of its corpora; none without kept
    results.
    """
    if not kept:
        return []
    found = cells(kept, published)
    corpora, priors = (list(dict.fromkeys(names)) for names in zip(*found, strict=True))
    rows = [
        [label, *(found[corpus, prior].text if (corpus, prior) in found else "" for corpus in corpora)]
        for prior, label in _labels(kept).items()
        if prior in priors
    ]
    measured = sum(cell.text[:1].isdigit() for cell in found.values())
    said = f"{measured} of its {len(found)} cells are measured at its settings; NLL on test and verdict:"
    return ["## The paper's cells", "", said, "", *markdown(["model", *corpora], rows), ""]


def outcomes_table(kept: Sequence[Kept], published: DataFrame) -> list[str]:
    """Lines: how many of the paper's cells came out how, verdicts first, those that were not run last."""
    counts = Counter(cell.outcome for cell in cells(kept, published).values())
    words = sorted(counts, key=lambda word: WORDS.index(word) if word in WORDS else len(WORDS) + (word == NOT_RUN))
    said = f"""\
How the paper's {counts.total()} cells, a model on a data set with a published NLL, came out at its settings.
Reproduced: within {WITHIN:.0%} of the published value; agrees, disagrees: with a value that was recalled. In
brackets, below: the miss, and half its {SURE:.0%} interval over seeds; the paper ran one."""
    return [said, "", *markdown(words, [[str(counts[word]) for word in words]]), ""]


def _labels(kept: Sequence[Kept]) -> dict[str, str]:
    """Prior -> its label."""
    names = pandas.concat([one.metrics[["prior", "label"]] for one in kept]).drop_duplicates()
    return dict(zip(names.prior, names.label, strict=True))


def counted(kept: Sequence[Kept]) -> list[Kept]:
    """The configurations whose rows are cells of the paper: those at its settings, last; first those in bfloat16, if it
    changes nothing.
    """
    in_bfloat16 = [one for one in kept if one.in_bfloat16] if bfloat16_counts(kept) else []
    return in_bfloat16 + [one for one in kept if one.at_paper_settings]


def _measured(kept: Kept, known: DataFrame) -> Mapping[Key, Cell]:
    """Rows that have a number."""
    found = pandas.concat([summarise(table, kept.metrics, known) for table in TABLES])
    nll = found[(found.split == "test") & (found.metric == "nll") & found["mean"].notna()]
    mark = ", bfloat16" if kept.in_bfloat16 else ""
    return {
        (row.corpus, row.prior): Cell(verdict(row).partition(" (")[0], f"{number(row.mean)}, {verdict(row)}{mark}")
        for row in records(nll)
    }


def _begun(facts: Sequence[Facts]) -> Mapping[Key, Cell]:
    """Rows of which the furthest seed has not ended well."""
    done = {(one["corpus"], one["prior"]) for one in facts if one["status"] == "ok"}
    furthest = sorted(facts, key=lambda one: int(one["epochs"]))
    return {
        key: Cell(one["status"], f"{one['status']}, {one['epochs']} of {one['spec']['train']['epochs']} epochs")
        for one in furthest
        if (key := (one["corpus"], one["prior"])) not in done
    }
