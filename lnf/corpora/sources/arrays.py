"""A user's own arrays (`prepare.inputs`): .npy, .npz and .parquet files of symbol ids or of vectors.

- .npy: sequences of one length, [N, T] ids or [N, T, V] vectors.
- .npz: each array in it is a sequence, [T] or [T, V].
- .parquet: each row is a sequence, its column `x` a list of ids or a list of vectors.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
from numpy.typing import NDArray

from lnf.corpora.sources.base import SPLITS, RawCorpus, Sequences
from lnf.corpora.sources.splitting import Shares, named_splits
from lnf.errors import UserError
from lnf.kinds.base import kind_of


def read(settings: Mapping[str, Any], files: Mapping[str, Path], *, valid: float = 0.1, test: float = 0.1) -> RawCorpus:
    """Read all sequences in the order of the files' names. Ids are symbols 0..V - 1, V - 1 being the largest of train;
    as text they are their numbers.

    `valid` and `test` are the shares of the sequences, if the files' names do not say the split (`splitting`). Raises
    UserError for a file that holds no such arrays.
    """
    shares, named = Shares(valid, test), named_splits(files)
    splits: dict[str, Sequences] = {split: [] for split in SPLITS}
    dimensions = 1 if kind_of(settings["kind"]).symbols else 2
    for name in sorted(files):
        for row, x in enumerate(_sequences(name, files[name])):
            if x.ndim != dimensions or x.dtype.kind not in "biuf":
                wanted = f"numbers of {dimensions} dimension{'s' * (dimensions > 1)}"
                raise UserError(f"data: {name}: sequence {row} is {x.dtype} of shape {list(x.shape)}; {wanted}"
                                f" would be right for kind {settings['kind']}")  # fmt: skip
            content = f"{x.dtype}{x.shape}".encode() + np.ascontiguousarray(x).tobytes()
            splits[named.get(name) or shares.split_of(content)].append(x.astype(np.uint8) if x.dtype == bool else x)
    if dimensions == 2:
        return RawCorpus(splits)
    symbols = 1 + max((int(x.max()) for x in splits["train"] if x.size), default=0)
    return RawCorpus(splits, [str(n) for n in range(symbols)], separator=" ")


def _sequences(name: str, path: Path) -> Iterable[NDArray[Any]]:
    reader = READERS.get(path.suffix)
    if reader is None:
        raise UserError(f"data: {name}: an ending of {', '.join(READERS)} would be right")
    try:
        return list(reader(path))
    except UserError:
        raise
    except Exception as problem:  # the libraries raise whatever a damaged file makes them stumble on
        raise UserError(f"data: {name}: cannot be read ({type(problem).__name__}: {problem})") from problem


def _npz(path: Path) -> Iterable[NDArray[Any]]:
    with np.load(path) as arrays:
        yield from (arrays[name] for name in arrays.files)


def _parquet(path: Path) -> Iterable[NDArray[Any]]:
    for x in pyarrow.parquet.read_table(path, columns=["x"])["x"].to_pylist():
        yield np.array(x)


READERS: dict[str, Callable[[Path], Iterable[NDArray[Any]]]] = {".npy": np.load, ".npz": _npz, ".parquet": _parquet}
