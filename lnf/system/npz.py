"""Named arrays on disk (`*.npz`) with a checksum of them all."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lnf.system.checksums import checksum
from lnf.system.damage import first_line, set_aside, unsealed
from lnf.system.files import replacing

CHECKSUM = "sha256"
_FAULTS = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, RuntimeError, OSError, SyntaxError,
           TypeError, OverflowError)  # fmt: skip
"""What numpy and zipfile raise for a file that is not what savez wrote."""
Arrays = dict[str, NDArray[np.generic]]


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write named arrays, atomically and for good."""
    kept = {name: np.asarray(array) for name, array in arrays.items()}
    with replacing(path) as scratch, scratch.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **kept, **{CHECKSUM: np.array(_checksum(kept))})


def read_arrays(path: Path) -> Arrays:
    """What `write_arrays` wrote. Raises FileNotFoundError, and Damaged if the file is not whole."""
    path.stat()
    try:
        with np.load(path) as archive:
            arrays: Arrays = dict(archive)
    except _FAULTS as problem:
        raise set_aside(path, f"no arrays: {first_line(problem)}") from None
    sealed = arrays.pop(CHECKSUM, None)
    if sealed is None:
        raise unsealed(path)
    if str(sealed) != _checksum(arrays):
        raise set_aside(path, "its checksum is another")
    return arrays


def _checksum(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    return checksum({name: arrays[name] for name in sorted(arrays)})
