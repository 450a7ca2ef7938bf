"""The four polyphonic music sets of Boulanger-Lewandowski et al. 2012, from MATLAB 5 files of piano rolls."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from lnf.corpora.sources.base import SPLITS, RawCorpus, Sequences
from lnf.errors import UserError
from lnf.kinds.piano import KEYS


def read(settings: Mapping[str, Any], files: Mapping[str, Path]) -> RawCorpus:
    """Read the one `.mat` file: `traindata`, `validdata`, `testdata`, each a cell array [1, n] of rolls [T, 88].

    Raises UserError if it is no such file.
    """
    if len(files) != 1:
        raise UserError(f"data: files: {sorted(files)} given; one .mat file would be right")
    (path,) = files.values()
    try:
        arrays = loadmat(path)
    except Exception as problem:  # scipy raises whatever a damaged file makes it stumble on
        raise UserError(f"data: {path.name}: not a MATLAB 5 file ({type(problem).__name__}: {problem})") from problem
    return RawCorpus({split: _rolls(arrays, f"{split}data", path.name) for split in SPLITS})


def _rolls(arrays: Mapping[str, Any], name: str, file: str) -> Sequences:
    cells = arrays.get(name)
    if not isinstance(cells, np.ndarray) or cells.dtype != object or cells.ndim != 2 or cells.shape[0] != 1:
        found = "nothing" if cells is None else f"{cells.dtype} of shape {list(cells.shape)}"
        raise UserError(f"data: {file}: {name} is {found}; a cell array of shape [1, sequences] would be right")
    return [_roll(cell, f"{file}: {name}[{n}]") for n, cell in enumerate(cells[0])]


def _roll(cell: Any, where: str) -> NDArray[np.uint8]:
    if not isinstance(cell, np.ndarray) or cell.ndim != 2 or cell.shape[1] != KEYS:
        raise UserError(f"data: {where} has shape {list(np.shape(cell))}; [steps, {KEYS}] would be right")
    if cell.dtype.kind not in "buif" or not np.isin(cell, (0, 1)).all():
        raise UserError(f"data: {where} holds values other than 0 and 1")
    return cell.astype(np.uint8)
