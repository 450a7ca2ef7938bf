"""Prepared corpora on disk: a folder of three Arrow files and, written last, `meta.json`.

Symbols: column `x` list<uint8 | uint16 | uint32>, ids, by the width. Music: `x` list<list<uint8>>, the keys 0..87 that
sound at each step. Other kinds: `x` list<fixed_size_list<float>[V]>. Further float64 columns hold numbers of each
sequence.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lnf.corpora.sources.base import Columns, RawCorpus, Sequences
from lnf.errors import UserError
from lnf.kinds.base import kind_of
from lnf.kinds.piano import KEYS, Music
from lnf.system.files import read_json, replacing, set_aside, sha256_of, write_json
from lnf.system.sealed import unsealed

META = "meta.json"


def write(folder: Path, corpus: RawCorpus, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Write a corpus, meta.json last: where it is, the rest is. The same corpus gives the same bytes.

    `meta` has its kind. Returned is what meta.json holds: added are its width, the unit of its tables, the separator of
    its symbols, and the checksums of the files (`sha256`) and of the sequences (`contents`).
    """
    sums, contents = {}, {}
    for split, sequences in corpus.splits.items():
        table = _table(sequences, corpus.columns.get(split, {}), meta["kind"], corpus.width)
        with replacing(folder / f"{split}.arrow") as scratch, pa.ipc.new_file(str(scratch), table.schema) as writer:
            writer.write_table(table)
        sums[split], contents[split] = sha256_of(folder / f"{split}.arrow"), contents_of(sequences)
    unit = kind_of(meta["kind"]).unit_for(corpus.symbol)
    known = {"width": corpus.width, "unit": unit, "separator": corpus.separator, "sha256": sums, "contents": contents}
    write_json(folder / META, {**meta, **known})
    return {**meta, **known}


def contents_of(sequences: Sequences) -> str:
    """The sha256 of sequences, in hex: of their lengths and values, whatever file holds them and in which type."""
    sha256 = hashlib.sha256(np.array([len(x) for x in sequences], dtype="<i8").tobytes())
    for x in sequences:
        kind = "<u4" if x.ndim == 1 else "u1" if np.issubdtype(x.dtype, np.integer) else "<f4"
        sha256.update(np.ascontiguousarray(x, dtype=kind).tobytes())
    return sha256.hexdigest()


def read_split(folder: Path, split: str) -> tuple[Sequences, Columns]:
    """The sequences of a split, [T] or [T, V], and its columns.

    Raises UserError if it is not there, and Damaged if it is not what was written.
    """
    path = folder / f"{split}.arrow"
    try:
        found = sha256_of(path)
    except FileNotFoundError as problem:
        raise UserError(f"data: {path} does not exist; `lnf prepare` writes it") from problem
    sums = read_meta(folder).get("sha256")
    if sums is None:
        raise unsealed(folder / META)
    if found != sums[split]:
        raise set_aside(path, "its checksum is another")
    with pa.OSFile(str(path), "rb") as stream:
        table = pa.ipc.open_file(stream).read_all()
    x = table["x"].combine_chunks()
    columns = {name: table[name].to_numpy() for name in table.column_names if name != "x"}
    return from_lists(x), columns


def to_lists(sequences: Sequences, kind: str, width: int) -> pa.ListArray:
    """The column `x` of sequences of a kind."""
    known = kind_of(kind)
    offsets, dtype = _offsets([len(sequence) for sequence in sequences]), known.dtype(width)
    empty = np.zeros(0 if known.symbols else (0, known.width or width), dtype=np.uint8)
    steps = np.concatenate([empty, *sequences]).astype(dtype)
    if isinstance(known, Music):
        values = _keys(steps)
    elif known.symbols:
        values = pa.array(steps)
    else:
        values = pa.FixedSizeListArray.from_arrays(pa.array(steps.ravel()), width)
    return pa.ListArray.from_arrays(offsets, values)


def from_lists(x: pa.ListArray) -> Sequences:
    """The sequences of a column `x`."""
    steps = x.flatten()
    if pa.types.is_list(steps.type):
        dense = _rolls(steps)
    elif pa.types.is_fixed_size_list(steps.type):
        dense = steps.flatten().to_numpy().reshape(-1, steps.type.list_size)
    else:
        dense = steps.to_numpy()
    return np.split(dense, np.cumsum(x.value_lengths().to_numpy())[:-1]) if len(x) else []


def read_meta(folder: Path) -> dict[str, Any]:
    """The corpus' meta.json. Raises UserError if it is not there, and Damaged if it is not JSON."""
    try:
        meta: dict[str, Any] = read_json(folder / META)
    except FileNotFoundError as problem:
        raise UserError(f"data: {folder / META} does not exist; `lnf prepare` writes it") from problem
    return meta


def _table(sequences: Sequences, columns: Columns, kind: str, width: int) -> pa.Table:
    arrays = {"x": to_lists(sequences, kind, width)}
    return pa.table(arrays | {name: pa.array(column, pa.float64()) for name, column in columns.items()})


def _keys(rolls: NDArray[np.uint8]) -> pa.ListArray:
    """Rolls [N, 88] as N lists of keys."""
    rows, keys = rolls.nonzero()
    return pa.ListArray.from_arrays(_offsets(np.bincount(rows, minlength=len(rolls))), pa.array(keys.astype(np.uint8)))


def _rolls(keys: pa.ListArray) -> NDArray[np.uint8]:
    rolls = np.zeros((len(keys), KEYS), dtype=np.uint8)
    rolls[np.repeat(np.arange(len(keys)), keys.value_lengths().to_numpy()), keys.flatten().to_numpy()] = 1
    return rolls


def _offsets(lengths: Any) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
