"""All runs of a plan as one tidy file, each held against the digests that the plan names."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
from pandas import DataFrame

from lnf.errors import UserError
from lnf.plan.run import absence
from lnf.report.frames import read_frame
from lnf.system.files import digest, read_json
from lnf.system.sealed import metadata_of, read_table, write_table
from lnf.units import UNITS

METRICS = pyarrow.schema(
    [(name, pyarrow.string()) for name in ("corpus", "kind", "prior", "label", "role")]
    + [("seed", pyarrow.int64())]
    + [(name, pyarrow.string()) for name in ("split", "metric", "unit")]
    + [("value", pyarrow.float64()), ("estimator", pyarrow.string()), ("k", pyarrow.int64()), ("n", pyarrow.int64())]
    + [(name, pyarrow.string()) for name in ("status", "digest")]
)
"""metrics.parquet. `value` is in `unit`, `n` counts sequences, `digest` is the run's. A run without
numbers has one row, whose `status` says why."""

REFERENCES = {"source": ("source (the limit)", ""), "unigram": ("unigram", "unigram_")}
"""Rows that a generated corpus brings: name -> (label, prefix of its keys in meta.json)."""

Row = dict[str, Any]


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
    rows = [row for run in runs for row in rows_of_run(run, existing)]
    rows += [row for corpus in corpora for row in references_of(corpus)]
    write_table(out / "metrics.parquet", pyarrow.Table.from_pylist(rows, METRICS))


def read_metrics(path: Path) -> DataFrame:
    """metrics.parquet. Raises UserError if there is no such file."""
    if not path.exists():
        raise UserError(f"{path}: no such file; gather the runs first")
    return read_frame(path)


def rows_of_run(run: Mapping[str, Any], existing: bool) -> Iterator[Row]:
    """The metrics of a run as `gather` is given it, or one row with its status. Raises UserError as `gather` does."""
    folder = Path(run["folder"])
    head = {key: run[key] for key in ("corpus", "kind", "prior", "label", "role", "seed")}
    head["digest"] = digest(run["digests"])
    status = absence(folder, run["evaluation"])
    if status and not existing:
        raise UserError(f"{folder}: {status}; run snakemake, or `python -m lnf tables` for tables of what exists")
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


def references_of(corpus: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of a generated corpus' own source and of its unigram, which hold for whole splits only."""
    meta_file = Path(corpus["data"], "meta.json")
    meta = read_json(meta_file) if meta_file.exists() else {}
    for split in corpus["whole"]:
        facts = (meta.get("source") or {}).get(split)
        if facts is None:
            continue
        unit, nats = UNITS[meta["kind"]]
        for name, (label, prefix) in REFERENCES.items():
            if f"{prefix}nll" not in facts:
                continue
            nll, given_length = (facts[prefix + metric] / nats for metric in ("nll", "nll_given_length"))
            counts = meta["counts"][split]
            steps = counts["steps"] / (counts["steps"] + counts["sequences"])
            values = {"nll": nll, "nll_given_length": given_length, "length": nll - given_length * steps}
            for metric, value in values.items():
                yield {
                    "corpus": corpus["corpus"],
                    "kind": meta["kind"],
                    "prior": name,
                    "label": label,
                    "role": "reference",
                    "split": split,
                    "metric": metric,
                    "unit": unit,
                    "value": value,
                    "estimator": "exact",
                    "n": counts["sequences"],
                    "status": "ok",
                }
