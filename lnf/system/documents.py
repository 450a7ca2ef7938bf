"""Documents of tensors (`*.pt`), each with a checksum of what it holds."""

import warnings
import zipfile
import zlib
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from lnf.system.checksums import checksum
from lnf.system.damage import first_line, set_aside, unsealed
from lnf.system.files import replacing

CHECKSUM = "sha256"
_FAULTS = (RuntimeError, ValueError, KeyError, EOFError, UnpicklingError, zipfile.BadZipFile, zlib.error, OSError,
           AttributeError, TypeError, IndexError)  # fmt: skip
"""What torch.load raises for a file that is not what torch.save wrote."""


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Write nested mappings and lists of tensors, numbers and texts, atomically and for good."""
    with replacing(path) as scratch, scratch.open("wb") as stream:
        torch.save({**document, CHECKSUM: checksum(_plain(document))}, stream)


def read_document(path: Path, device: torch.device | str = "cpu", then: str | None = None) -> dict[str, Any]:
    """What `write_document` wrote. Raises FileNotFoundError, and Damaged if the file is not whole; `then` says what
    becomes of it."""
    remedy = {} if then is None else {"then": then}
    path.stat()
    try:
        with warnings.catch_warnings(action="ignore"):  # about a damaged pickle's protocol
            document: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        sealed = document.pop(CHECKSUM, None)
        whole = sealed == checksum(_plain(document))
    except _FAULTS as problem:
        raise set_aside(path, f"no document: {first_line(problem)}", **remedy) from None
    if sealed is None:
        raise unsealed(path)
    if not whole:
        raise set_aside(path, "its checksum is another", **remedy)
    return document


def _plain(value: Any) -> Any:
    """Tensors as what they are made of."""
    if isinstance(value, Tensor):
        flat = value.detach().cpu().contiguous().reshape(-1)
        return [str(value.dtype), list(value.shape), value.requires_grad, flat.view(torch.uint8).numpy()]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
