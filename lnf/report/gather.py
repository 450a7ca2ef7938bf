"""All runs of a plan as one tidy file, each held against the digests that the plan names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow
import torch

from lnf.corpora.loading import seen
from lnf.corpora.ngrams import MODELS, log_prob
from lnf.corpora.store import read_meta
from lnf.errors import UserError
from lnf.kinds.base import kind_of
from lnf.plan.run import absence
from lnf.plan.stages import SPLITS
from lnf.report.metrics import METRICS, Row
from lnf.spec import Lengths, Subset
from lnf.system.files import digest, read_json
from lnf.system.sealed import metadata_of, read_table, write_table
from lnf.units import nats_in

SOURCE = {"prior": "source", "label": "source (the limit)"}
"""The row of the source that a generated corpus was drawn from."""


class Stranger(Exception):
    """A file of a result that another run made."""


def gather(
    runs: Sequence[Mapping[str, Any]], corpora: Sequence[Mapping[str, Any]], out: Path, existing: bool = False
) -> None:
    """Write the metrics of every run of a plan, and of its corpora's own sources, to OUT/metrics.parquet.

    `runs` and `corpora` are those of `lnf.plan.results.Plan.gathered`. Raises UserError for a run that is missing, and
    for a file that belongs to another run; if `existing`, such a run gets a status (error, unfinished, not_run)
    instead, and one line reports a stranger.
    """
    units = {corpus["corpus"]: _meta_of(corpus).get("unit") for corpus in corpora}
    rows = [row for run in runs for row in rows_of_run(run, existing, units.get(run["corpus"]))]
    rows += [row for corpus in corpora for row in references_of(corpus)]
    write_table(out / "metrics.parquet", pyarrow.Table.from_pylist(rows, METRICS))


def rows_of_run(run: Mapping[str, Any], existing: bool, unit: str | None = None) -> Iterator[Row]:
    """The metrics of a run as `gather` is given it, or one row with its status. `unit` is its corpus', if it is known.

    Raises UserError as `gather` does.
    """
    folder = Path(run["folder"])
    head = {key: run[key] for key in ("corpus", "kind", "prior", "label", "role", "seed")}
    head |= {"digest": digest(run["digests"]), "unit": unit}
    status = absence(folder, run["evaluation"])
    if status and not existing:
        raise UserError(f"{folder}: {status}; run snakemake, or `lnf tables` for tables of what exists")
    if status:
        yield head | {"status": status}
        return
    try:
        metrics, status = _results(folder, run)
    except Stranger as stranger:
        if not existing:
            raise UserError(f"{stranger}; remove it, and run snakemake again") from None
        print(f"lnf: {stranger}; it counts as not run", flush=True)
        yield head | {"status": "not_run"}
        return
    for row in metrics or [{}]:
        yield head | row | {"status": status}


def _results(folder: Path, run: Mapping[str, Any]) -> tuple[list[Row], str]:
    """(metrics, status) of a finished run. Raises Stranger."""
    facts, file = read_json(folder / "run.json"), folder / f"evaluation-{run['evaluation']}.parquet"
    if facts["digests"] != run["digests"]:
        raise Stranger(f"{folder / 'run.json'}: belongs to run {digest(facts['digests'])} of {_place(facts)}")
    table = read_table(file)
    found = metadata_of(table)
    if (found.get("run"), found.get("evaluation")) != (digest(run["digests"]), run["evaluation"]):
        raise Stranger(f"{file}: is evaluation {found.get('evaluation')} of run {found.get('run')}, not of this one")
    return table.to_pylist(), found["status"]


def _place(facts: Mapping[str, Any]) -> str:
    return "/".join(str(facts[key]) for key in ("corpus", "prior", "seed"))


def _meta_of(corpus: Mapping[str, Any]) -> Mapping[str, Any]:
    """The meta.json of a corpus as `gather` is given it; empty if it is not prepared, or a file of it was set aside."""
    folder = Path(corpus["data"])
    return read_meta(folder) if all((folder / file).exists() for file in SPLITS) else {}


def references_of(corpus: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of what the runs of a corpus are compared with, under the same protocol: a generated corpus' own source, and
    unigram and bigram models. None of a corpus that is not prepared.
    """
    meta = _meta_of(corpus)
    if meta:
        head = {"corpus": corpus["corpus"], "kind": meta["kind"], "role": "reference", "unit": meta["unit"]}
        yield from _source_rows(head | {"status": "ok"}, corpus, meta)
        yield from _ngram_rows(head | {"status": "ok"}, corpus)


def _source_rows(head: Row, corpus: Mapping[str, Any], meta: Mapping[str, Any]) -> Iterator[Row]:
    """Of the source that a corpus was drawn from, which is the limit on whole splits only."""
    for split in corpus["whole"]:
        facts = (meta.get("source") or {}).get(split)
        if facts is not None:
            tokens = Tokens(meta["counts"][split]["sequences"], meta["counts"][split]["steps"])
            nll, nll_given_length = facts["nll"] * tokens.paper, facts["nll_given_length"] * tokens.steps
            yield from _exact(head | SOURCE | {"split": split}, tokens, nll, nll_given_length)


def _ngram_rows(head: Row, corpus: Mapping[str, Any]) -> Iterator[Row]:
    """Of n-grams that are fitted on what the runs see of train."""
    kind = kind_of(head["kind"])
    if not kind.countable:
        return
    prepared = seen(Path(corpus["data"]), Subset(**corpus["subset"]), Lengths(**corpus["lengths"]))
    for name, split in product(MODELS, corpus["splits"]):
        found = prepared.splits[split]
        lengths = torch.tensor([len(x) for x in found.sequences])
        nll_given_length = -log_prob(name, prepared.splits["train"], found, kind.symbols)
        nll = nll_given_length - float(prepared.shape.log_p_length[lengths].sum())
        tokens = Tokens(len(found), int(lengths.sum()))
        yield from _exact(head | {"prior": name, "label": name, "split": split}, tokens, nll, nll_given_length)


@dataclass(frozen=True)
class Tokens:
    """Numbers of a split, which NLLs are divided by."""

    sequences: int
    steps: int

    @property
    def paper(self) -> int:
        """The sum of T + 1."""
        return self.steps + self.sequences


def _exact(head: Row, tokens: Tokens, nll: float, nll_given_length: float) -> Iterator[Row]:
    """The rows of an exact model, whose -log p(x, T) and -log p(x|T) of a split are given in nats."""
    nats = nats_in(head["unit"])
    for metric, value, divisor in (
        ("nll", nll, tokens.paper),
        ("nll_given_length", nll_given_length, tokens.steps),
        ("length", nll - nll_given_length, tokens.paper),
    ):
        row = {"metric": metric, "value": value / divisor / nats, "estimator": "exact", "n": tokens.sequences}
        yield head | row
