"""Arrays of a user's own: what each format holds, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lnf.corpora.sources import arrays
from lnf.corpora.sources.base import SPLITS, RawCorpus
from lnf.errors import UserError

IDS = [np.array([0, 2, 1]), np.array([3]), np.array([1, 1])]


def read(folder: Path, kind: str = "symbols", **options: Any) -> RawCorpus:
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return arrays.read({"kind": kind}, files, **options)


def written(folder: Path, sequences: list[np.ndarray], ending: str) -> None:
    """The same sequences as each split."""
    for split in SPLITS:
        path = folder / f"{split}{ending}"
        if ending == ".parquet":
            pq.write_table(pa.table({"x": [x.tolist() for x in sequences]}), path)
        else:
            np.savez(path, *sequences)


@pytest.mark.parametrize("ending", [".npz", ".parquet"])
@pytest.mark.parametrize("kind", ["symbols", "music"])
def test_sequences_of_any_length(tmp_path: Path, ending: str, kind: str) -> None:
    rolls = [(np.random.default_rng(n).random((n + 1, 88)) < 0.1).astype(np.uint8) for n in range(3)]
    sequences = IDS if kind == "symbols" else rolls
    written(tmp_path, sequences, ending)
    corpus = read(tmp_path, kind)
    assert corpus.vocabulary == (list("0123") if kind == "symbols" else None)
    for split in SPLITS:
        assert all(np.array_equal(x, y) for x, y in zip(corpus.splits[split], sequences, strict=True))


def test_equal_sequences_are_in_one_split(tmp_path: Path) -> None:
    np.save(tmp_path / "all.npy", np.random.default_rng(0).integers(0, 4, (300, 3)))
    corpus = read(tmp_path, valid=0.3, test=0.3)
    assert sum(map(len, corpus.splits.values())) == 300
    found = {split: {tuple(x) for x in corpus.splits[split]} for split in SPLITS}
    assert not found["train"] & found["test"] and not found["train"] & found["valid"] and all(found.values())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"1,2", "an ending of .npy, .npz, .parquet would be right"),
        ("a.npy", b"nothing", "a.npy: cannot be read"),
        ("a.parquet", b"nothing", "a.parquet: cannot be read"),
    ],
)
def test_what_is_no_array_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words):
        read(tmp_path)


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([IDS[0], IDS[1]], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"a\.npy: cannot be read"):
        read(tmp_path)


def test_arrays_of_another_shape_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 2, 5)))
    with pytest.raises(UserError, match=r"sequence 0 is float64 of shape \[2, 5\]; numbers of 1 dimension would"):
        read(tmp_path)
