"""From raw files, or from nothing, to a corpus folder: `prepare` is the one step of the data stage."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lnf.corpora import store
from lnf.corpora.fetch import fetch
from lnf.corpora.lengths import length_prior
from lnf.corpora.sources.base import SPLITS, RawCorpus
from lnf.errors import UserError
from lnf.kinds.base import kind_of
from lnf.spec import Lengths, imported
from lnf.system.files import sha256_of

RAW = "raw"
"""The folder of downloaded files, next to the corpora."""


def prepare(corpus: str, settings: Mapping[str, Any], digest: str, mirror: Path | None, out: Path) -> None:
    """Write three Arrow files and, last, meta.json to `out`. Prints two lines.

    `digest` names the corpus; raw files that are downloaded go to `raw` next to the corpora.
    `settings`: `kind` (of the data), `source` (dotted path of a `read` function), `lengths` (smoothing, headroom), and
    perhaps `options` of the source, `files`, `inputs` (name -> path, sha256), `min_length`, `max_length` (steps) and
    `expect` (counts). Raises UserError, and writes nothing, if a file cannot be had, or is not what it should be, if a
    sequence has a value that its kind does not have, or if the length prior excludes one.
    """
    try:
        meta = _prepare(corpus, settings, digest, mirror, out)
    except UserError as problem:
        raise UserError(str(problem).replace("data: ", f"data: {corpus}: ", 1)) from problem
    print(f"lnf: {corpus}: {summary(meta)} in {out}", flush=True)
    print(f"lnf: {corpus}: train: {meta['about']}", flush=True)


def summary(meta: Mapping[str, Any]) -> str:
    """A corpus in half a line, for people."""
    numbers = {key: "/".join(str(meta["counts"][split][key]) for split in SPLITS) for key in ("sequences", "steps")}
    width = f"{meta['width']} {kind_of(meta['kind']).columns}"
    return f"{numbers['sequences']} sequences, {numbers['steps']} steps (train/valid/test), {width}"


def _prepare(corpus: str, settings: Mapping[str, Any], digest: str, mirror: Path | None, out: Path) -> dict[str, Any]:
    entries = settings.get("files", {})
    files = {name: fetch(name, entry, mirror, out.parents[1] / RAW) for name, entry in entries.items()}
    inputs = settings.get("inputs", {})
    files |= {name: _as_planned(entry) for name, entry in inputs.items()}
    raw = imported(settings["source"])(settings, files, **settings.get("options", {}))
    check_values(raw, settings["kind"])
    kept = keep(raw, settings.get("min_length", 1), settings.get("max_length"))
    counts = {split: count(raw, kept, split) for split in SPLITS}
    check_counts(counts, kept.width, settings.get("expect", {}))
    length_prior(kept.splits, Lengths(**settings["lengths"]))
    lengths = np.array([len(x) for split in ("train", "valid") for x in kept.splits[split]])
    values, times = np.unique(lengths, return_counts=True)
    meta = {
        "corpus": corpus,
        "kind": settings["kind"],
        "digest": digest,
        "raw": {name: entry["sha256"] for name, entry in {**entries, **inputs}.items()},
        "settings": settings,
        "vocabulary": kept.vocabulary,
        "counts": counts,
        "length_counts": {str(length): int(n) for length, n in zip(values, times, strict=True)},
        "longest": int(lengths.max()),
        "about": about(kept, settings["kind"]),
        "source": kept.source,
    }
    return store.write(out, kept, meta)


def about(corpus: RawCorpus, kind: str) -> str:
    """Lengths and values of train, for people."""
    train = corpus.splits["train"]
    lengths = np.array([len(x) for x in train])
    steps = f"{lengths.min()} to {lengths.max()} steps, median {np.median(lengths):g}"
    return f"{steps}; {kind_of(kind).about(train, corpus.vocabulary)}"


def _as_planned(entry: Mapping[str, Any]) -> Path:
    """A user's own file. Raises UserError if it is no longer what the corpus is named by."""
    path = Path(entry["path"])
    if not path.is_file() or sha256_of(path) != entry["sha256"]:
        raise UserError(f"data: {path} changed since this was planned; start the workflow again")
    return path


def keep(raw: RawCorpus, shortest: int, longest: int | None) -> RawCorpus:
    """The sequences of `shortest` to `longest` steps, in all splits, in their order."""
    rows = {
        split: [n for n, x in enumerate(xs) if shortest <= len(x) and (longest is None or len(x) <= longest)]
        for split, xs in raw.splits.items()
    }
    return RawCorpus(
        {split: [raw.splits[split][n] for n in chosen] for split, chosen in rows.items()},
        raw.vocabulary,
        {split: {name: values[rows[split]] for name, values in held.items()} for split, held in raw.columns.items()},
        raw.source,
        raw.symbol,
        raw.separator,
    )


def count(raw: RawCorpus, kept: RawCorpus, split: str) -> dict[str, int]:
    """Sequences and steps of a split, kept and dropped."""
    sequences, steps = len(kept.splits[split]), sum(map(len, kept.splits[split]))
    return {
        "sequences": sequences,
        "steps": steps,
        "dropped": len(raw.splits[split]) - sequences,
        "dropped_steps": sum(map(len, raw.splits[split])) - steps,
    }


def check_values(corpus: RawCorpus, kind: str) -> None:
    """Raises UserError for a sequence that is not of its kind: ids [T] or vectors [T, V], of values that it has."""
    known = kind_of(kind)
    if known.symbols and corpus.vocabulary is None:
        raise UserError(f"data: the reader gives no vocabulary; a corpus of {kind} has one")
    if kind == "text" and corpus.separator:
        raise UserError(f"data: a symbol is a {corpus.symbol}, not a character; kind: symbols would be right")
    whole = np.issubdtype(known.dtype(1), np.integer)
    for split in SPLITS:
        for row, x in enumerate(corpus.splits[split]):
            shape = (len(x),) if known.symbols else (len(x), known.width or corpus.width)
            if x.dtype.kind not in ("iu" if whole else "iuf") or x.shape != shape:
                wanted = f"{'whole numbers' if whole else 'numbers'} of shape {list(shape)}"
                problem: str | None = f"is {x.dtype} of shape {list(x.shape)}; {wanted} would be right"
            else:
                problem = known.fault(x, corpus.width)
            if problem is not None:
                raise UserError(f"data: {split}: sequence {row} {problem}")


def check_counts(counts: Mapping[str, Mapping[str, int]], width: int, expect: Mapping[str, Any]) -> None:
    """Raises UserError if a split is empty or a count is not the one expected."""
    for split in SPLITS:
        if not counts[split]["sequences"]:
            raise UserError(f"data: {split}: no sequence; one at least would be right")
    for key in ("sequences", "steps"):
        for split, wanted in expect.get(key, {}).items():
            if counts[split][key] != wanted:
                raise UserError(f"data: {split}: {counts[split][key]} {key}; expect.{key}.{split} is {wanted}")
    if expect.get("width", width) != width:
        raise UserError(f"data: {width} symbols; expect.width is {expect['width']}")
