"""Files of ours with a checksum of what they hold, written whole or not at all.

| files       | what they hold                                  | written and read by                |
|-------------|-------------------------------------------------|------------------------------------|
| `*.pt`      | nested mappings and lists of tensors and numbers | `write_document`, `read_document` |
| `*.parquet` | a table, with texts as metadata                 | `write_table`, `read_table`        |
| `*.npz`     | named arrays                                    | `write_arrays`, `read_arrays`      |

All readers raise FileNotFoundError, and Damaged if a file is not what was written: cut short by a full disk or a lost
machine, or with a bit that flipped. PyTorch is imported by the functions of documents alone.
"""

import hashlib
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar

import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

from lnf.errors import UserError
from lnf.system.files import first_line, replacing, set_aside

CHECKSUM, OF_TABLES = "sha256", b"lnf.sha256"
"""Where a checksum is kept: among the entries of a document or of arrays, and in the metadata of a table."""
FAULTS = (
    RuntimeError, ValueError, KeyError, EOFError, OSError, AttributeError, TypeError, IndexError, SyntaxError,
    OverflowError, UnpicklingError, zipfile.BadZipFile, zlib.error, pyarrow.ArrowException,
)  # fmt: skip
"""What PyTorch, pyarrow, numpy and zipfile raise for a file that is not what they wrote."""

Arrays = dict[str, NDArray[np.generic]]
Rows = list[dict[str, Any]]
Content = TypeVar("Content")


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Write nested mappings and lists of tensors, numbers and texts."""
    import torch

    with replacing(path) as scratch, scratch.open("wb") as stream:
        torch.save({**document, CHECKSUM: checksum(document)}, stream)


def read_document(path: Path, device: Any = "cpu", then: str | None = None) -> dict[str, Any]:
    """What `write_document` wrote, its tensors on a device; `then` says what becomes of a damaged one."""
    import torch

    def load() -> tuple[dict[str, Any], str | None]:
        with warnings.catch_warnings(action="ignore"):  # about a damaged pickle's protocol
            document: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        return document, document.pop(CHECKSUM, None)

    return _read(path, "document", load, checksum, then)


def write_table(path: Path, table: pyarrow.Table, metadata: Mapping[str, str] | None = None) -> None:
    """Write a table, with `metadata` added to its schema's."""
    texts = dict(table.schema.metadata or {})
    texts |= {key.encode(): value.encode() for key, value in (metadata or {}).items()}
    named = table.replace_schema_metadata(texts)
    with replacing(path) as scratch:
        sealed = {**texts, OF_TABLES: _of_table(named).encode()}
        pyarrow.parquet.write_table(named.replace_schema_metadata(sealed), scratch)


def read_table(path: Path) -> pyarrow.Table:
    """What `write_table` wrote, its metadata too."""

    def load() -> tuple[pyarrow.Table, str | None]:
        table = pyarrow.parquet.read_table(path)
        texts = dict(table.schema.metadata or {})
        sealed = texts.pop(OF_TABLES, b"").decode()
        return table.replace_schema_metadata(texts), sealed or None

    return _read(path, "table", load, _of_table)


def read_rows(path: Path) -> Rows:
    """The rows of `read_table`."""
    rows: Rows = read_table(path).to_pylist()
    return rows


def metadata_of(table: pyarrow.Table) -> dict[str, str]:
    """The metadata of a table that was read, as texts."""
    return {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write named arrays."""
    kept = {name: np.asarray(array) for name, array in arrays.items()}
    with replacing(path) as scratch, scratch.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **kept, **{CHECKSUM: np.array(_of_arrays(kept))})


def read_arrays(path: Path) -> Arrays:
    """What `write_arrays` wrote."""

    def load() -> tuple[Arrays, str | None]:
        with np.load(path) as archive:
            arrays: Arrays = dict(archive)
        sealed = arrays.pop(CHECKSUM, None)
        return arrays, None if sealed is None else str(sealed)

    return _read(path, "arrays", load, _of_arrays)


def unsealed(path: Path) -> UserError:
    """The error for a file without a checksum: no damage, but a revision of lnf that wrote none."""
    return UserError(f"{path}: has no checksum, so an older revision wrote it; read it with that one, or move it away")


def checksum(value: Any) -> str:
    """The sha256, in hex, of nested mappings and sequences of arrays, tensors, numbers and texts, in their order."""
    sha256 = hashlib.sha256()
    _feed(sha256, value)
    return sha256.hexdigest()


def _read(
    path: Path,
    what: str,
    load: Callable[[], tuple[Content, str | None]],
    sum_of: Callable[[Content], str],
    then: str | None = None,
) -> Content:
    """What a file holds, if it has the checksum of its content."""
    path.stat()
    try:
        content, sealed = load()
        whole = sealed == sum_of(content)
    except FAULTS as problem:
        raise set_aside(path, f"no {what}: {first_line(problem)}", then) from None
    if sealed is None:
        raise unsealed(path)
    if not whole:
        raise set_aside(path, "its checksum is another", then)
    return content


def _of_table(table: pyarrow.Table) -> str:
    return checksum([table.to_pydict(), sorted((table.schema.metadata or {}).items())])


def _of_arrays(arrays: Arrays) -> str:
    return checksum({name: arrays[name] for name in sorted(arrays)})


def _feed(sha256: Any, value: Any) -> None:
    if isinstance(value, Mapping):
        sha256.update(b"{%d" % len(value))
        for key, item in value.items():
            _feed(sha256, key)
            _feed(sha256, item)
    elif isinstance(value, np.ndarray):
        sha256.update(f"{value.dtype.str}{value.shape}".encode())
        sha256.update(np.ascontiguousarray(value).data if value.size else b"")
    elif "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor):
        _feed(sha256, _of_tensor(value))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        sha256.update(b"[%d" % len(value))
        for item in value:
            _feed(sha256, item)
    else:
        sha256.update(repr(value).encode() + b";")


def _of_tensor(tensor: Any) -> list[Any]:
    """A tensor as what it is made of."""
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return [str(tensor.dtype), list(tensor.shape), tensor.requires_grad, flat.view(torch.uint8).numpy()]
