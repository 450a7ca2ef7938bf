"""Tables on disk (`*.parquet`), each with a checksum of its rows and metadata."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from lnf.system.checksums import checksum
from lnf.system.damage import first_line, set_aside, unsealed
from lnf.system.files import replacing

CHECKSUM = b"lnf.sha256"
Rows = list[dict[str, Any]]


def write_table(path: Path, table: pyarrow.Table, metadata: Mapping[str, str] | None = None) -> None:
    """Write a table, with `metadata` added to its schema's, atomically and for good."""
    texts = dict(table.schema.metadata or {})
    texts |= {key.encode(): value.encode() for key, value in (metadata or {}).items()}
    sealed = {**texts, CHECKSUM: _checksum(table, texts).encode()}
    with replacing(path) as scratch:
        pyarrow.parquet.write_table(table.replace_schema_metadata(sealed), scratch)


def read_table(path: Path) -> pyarrow.Table:
    """What `write_table` wrote, its metadata too. Raises FileNotFoundError, and Damaged if the file is not whole."""
    path.stat()
    try:
        table = pyarrow.parquet.read_table(path)
        texts = dict(table.schema.metadata or {})
        sealed = texts.pop(CHECKSUM, b"").decode()
        whole = sealed == _checksum(table, texts)
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, OverflowError) as problem:
        raise set_aside(path, f"no table: {first_line(problem)}") from None
    if not sealed:
        raise unsealed(path)
    if not whole:
        raise set_aside(path, "its checksum is another")
    return table.replace_schema_metadata(texts)


def read_rows(path: Path) -> Rows:
    """The rows of `read_table`."""
    rows: Rows = read_table(path).to_pylist()
    return rows


def metadata_of(table: pyarrow.Table) -> dict[str, str]:
    """The metadata of a table that was read, as texts."""
    return {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}


def _checksum(table: pyarrow.Table, texts: Mapping[bytes, bytes]) -> str:
    return checksum([table.to_pydict(), sorted(texts.items())])
