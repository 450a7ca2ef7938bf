"""All runs of a configuration as one tidy file, each held against the digests that the configuration expects."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from lnf.errors import UserError
from lnf.plan import config
from lnf.plan.config import Config
from lnf.plan.digests import run_digests
from lnf.spec import Spec
from lnf.system.files import read_json, replacing
from lnf.units import UNITS

METRICS = pyarrow.schema(
    [(name, pyarrow.string()) for name in ("corpus", "kind", "prior", "label", "role")]
    + [("seed", pyarrow.int64())]
    + [(name, pyarrow.string()) for name in ("split", "metric", "unit")]
    + [("value", pyarrow.float64()), ("estimator", pyarrow.string()), ("k", pyarrow.int64()), ("n", pyarrow.int64())]
    + [(name, pyarrow.string()) for name in ("status", "digest", "code")]
)
"""metrics.parquet. `value` is in `unit`, `n` counts sequences, `digest` is the spec's, `code` says whether a run
was made by today's code (current | other). A run without numbers has one row, whose `status` says why."""

REFERENCES = {"source": ("source (the limit)", ""), "unigram": ("unigram", "unigram_")}
"""Rows that a generated corpus brings: name -> (label, prefix of its keys in meta.json)."""

Row = dict[str, Any]


class Stranger(Exception):
    """A result that belongs to another spec or to other data than the configuration's."""


def gather(values: Config, out: Path, existing: bool = False) -> None:
    """Write the metrics of every planned run to `out`.

    Raises UserError for a run that was made with another spec or other data, and for one that is missing; if
    `existing`, such a run gets a status (error, not_run) instead, and one line tells of a stranger.
    """
    runs = config.plan(values)
    rows = [row for run in runs for row in _run_rows(values, config.resolve(values, *run), existing)]
    rows += [row for corpus in dict.fromkeys(run[0] for run in runs) for row in _references(values, corpus)]
    with replacing(out) as scratch:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, METRICS), scratch)


def read_metrics(path: Path) -> list[Row]:
    """The rows of metrics.parquet. Raises UserError if there is no such file."""
    if not path.exists():
        raise UserError(f"{path}: no such file; gather the runs first")
    rows: list[Row] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


def evaluation_identity(path: Path) -> str:
    """What an evaluation.parquet was made with, as its maker was told; empty if it was not."""
    identity: bytes = (pyarrow.parquet.read_schema(path).metadata or {}).get(b"identity", b"")
    return identity.decode()


def _run_rows(values: Config, spec: Spec, existing: bool) -> Iterator[Row]:
    folder = Path("results", values.name, spec.corpus, spec.prior.name, str(spec.seed))
    expected = run_digests(spec, config.corpus_settings(values, spec.corpus))
    head = {
        "corpus": spec.corpus,
        "kind": spec.kind,
        "prior": spec.prior.name,
        "label": spec.prior.label,
        "role": spec.prior.role,
        "seed": spec.seed,
        "digest": expected["spec"],
    }
    status = _absence(folder)
    if status and not existing:
        raise UserError(f"{folder}: {status}; run snakemake, or `python -m lnf tables` for tables of what exists")
    if status:
        yield head | {"status": status}
        return
    try:
        code, metrics, status = _results(folder, spec, expected)
    except Stranger as stranger:
        if not existing:
            raise UserError(f"{stranger}; move it away, or run snakemake with --forcerun train") from None
        print(f"lnf: {stranger}; it counts as not run", flush=True)
        yield head | {"status": "not_run"}
        return
    for row in metrics or [{}]:
        yield head | row | {"status": status, "code": code}


def _absence(folder: Path) -> str:
    """Why a run has no results: error or not_run; empty if it has."""
    if (folder / "run.json").exists() and (folder / "evaluation.parquet").exists():
        return ""
    return "error" if (folder / "state" / "error.json").exists() else "not_run"


def _results(folder: Path, spec: Spec, expected: dict[str, str]) -> tuple[str, list[Row], str]:
    """(whose code, metrics, status) of a finished run. Raises Stranger."""
    found = read_json(folder / "run.json")["digests"]
    for key, what in (("spec", "another spec"), ("data", "other data")):
        if found[key] != expected[key]:
            raise Stranger(f"{folder}: made with {what} ({key} digest {found[key]}, expected {expected[key]})")
    table = pyarrow.parquet.read_table(folder / "evaluation.parquet")
    metrics: list[Row] = table.to_pylist()
    for row in metrics:
        if row["estimator"] == "importance" and row["k"] != spec.evaluate.samples:
            raise Stranger(f"{folder}: evaluated with K={row['k']}, expected {spec.evaluate.samples}")
    code = "current" if found["code"] == expected["code"] else "other"
    return code, metrics, (table.schema.metadata or {}).get(b"status", b"ok").decode()


def _references(values: Config, corpus: str) -> Iterator[Row]:
    """Rows of a generated corpus' own source and of its unigram, which hold for whole splits only."""
    meta_file = Path("data", corpus, "meta.json")
    meta = read_json(meta_file) if meta_file.exists() else {}
    subset = next(config.resolve(values, *run).subset for run in config.plan(values) if run[0] == corpus)
    for split, facts in (meta.get("source") or {}).items():
        if split not in ("valid", "test") or getattr(subset, split) is not None or subset.max_length is not None:
            continue
        unit, nats = UNITS[meta["kind"]]
        for name, (label, prefix) in REFERENCES.items():
            for metric in ("nll", "nll_given_length"):
                yield {
                    "corpus": corpus,
                    "kind": meta["kind"],
                    "prior": name,
                    "label": label,
                    "role": "reference",
                    "split": split,
                    "metric": metric,
                    "unit": unit,
                    "value": facts[prefix + metric] / nats,
                    "estimator": "exact",
                    "n": meta["counts"][split]["sequences"],
                    "status": "ok",
                    "code": "current",
                }
