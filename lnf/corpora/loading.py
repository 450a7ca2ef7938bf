"""Prepared corpora as one run sees them: subset, length prior, batches (reads what `lnf prepare` wrote)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lnf.corpora import store
from lnf.corpora.batches import CorpusShape, SequenceBatch, collate
from lnf.corpora.lengths import length_prior
from lnf.errors import UserError
from lnf.spec import Lengths, Spec, Subset


@dataclass(frozen=True)
class Split:
    """Sequences of one split, in corpus order, of `width` symbols or keys; `columns` holds per-sequence facts (a Markov
    source's log p).
    """

    sequences: list[np.ndarray]
    columns: dict[str, np.ndarray]
    width: int

    def __len__(self) -> int:
        return len(self.sequences)

    def batch(self, rows: Sequence[int], kind: str) -> SequenceBatch:
        """The sequences of the given rows, padded with zeros."""
        return collate([self.sequences[row] for row in rows], kind, self.width)


@dataclass(frozen=True)
class Corpus:
    """One run's view of a prepared corpus: its subset, drawn once."""

    shape: CorpusShape
    meta: dict[str, Any]
    splits: dict[str, Split]


def load(folder: Path, spec: Spec) -> Corpus:
    """A run's view of a corpus. Raises UserError as `seen` does."""
    return seen(folder, spec.subset, spec.lengths)


def seen(folder: Path, subset: Subset, lengths: Lengths) -> Corpus:
    """Read a corpus folder and draw a subset.

    Raises UserError if a sequence of the subset has a length without probability.
    """
    meta = store.read_meta(folder)
    splits = {name: _draw(folder, name, subset, meta["width"]) for name in ("train", "valid", "test")}
    p_length = length_prior({name: split.sequences for name, split in splits.items()}, lengths)
    log_p_length = torch.log(torch.from_numpy(p_length))
    symbols = None if meta["vocabulary"] is None else tuple(meta["vocabulary"])
    written = {name: meta.get(name, "") for name in ("unit", "separator")}  # of an earlier revision, without
    shape = CorpusShape(meta["kind"], meta["width"], len(log_p_length) - 1, log_p_length, symbols, **written)
    return Corpus(shape, meta, splits)


def _draw(folder: Path, name: str, subset: Subset, width: int) -> Split:
    sequences, columns = store.read_split(folder, name)
    rows = np.array([n for n, x in enumerate(sequences) if subset.max_length is None or len(x) <= subset.max_length])
    wanted = {"train": subset.train, "valid": subset.valid, "test": subset.test}[name]
    if wanted is not None and wanted < len(rows):
        rng = np.random.default_rng([subset.seed, len(sequences)])
        rows = np.sort(rng.choice(rows, size=wanted, replace=False))
    if len(rows) == 0:
        raise UserError(f"data: {folder.name}/{name}: no sequence is left by the subset {subset}")
    return Split([sequences[n] for n in rows], {key: values[rows] for key, values in columns.items()}, width)


def sorted_batches(split: Split, batch: int) -> list[list[int]]:
    """Rows sorted by length, in batches: the order of validation and test."""
    rows = sorted(range(len(split)), key=lambda row: (len(split.sequences[row]), row))
    return [rows[start : start + batch] for start in range(0, len(rows), batch)]


def shuffled_batches(split: Split, batch: int, pool: int, generator: torch.Generator) -> list[list[int]]:
    """Rows shuffled, sorted by length inside pools of `pool` batches, batch order shuffled in each pool."""
    rows = torch.randperm(len(split), generator=generator).tolist()
    return [
        members
        for start in range(0, len(rows), batch * pool)
        for members in _shuffled_pool(rows[start : start + batch * pool], split, batch, generator)
    ]


def _shuffled_pool(rows: list[int], split: Split, batch: int, generator: torch.Generator) -> Iterator[list[int]]:
    rows = sorted(rows, key=lambda row: len(split.sequences[row]))
    batches = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    for n in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[n]


def transposed(split: Split, semitones: int, generator: torch.Generator) -> Split:
    """The split with each sequence moved by its own number of keys, each of -semitones..semitones as likely as another.

    Moves that would push a note off the keyboard are left out. Of columns nothing is said: they would not hold.
    """
    draws = torch.rand(len(split), generator=generator).tolist()
    pairs = zip(split.sequences, draws, strict=True)
    return Split([_moved(x_TV, _keys(x_TV, semitones, draw)) for x_TV, draw in pairs], {}, split.width)


def _keys(x_TV: np.ndarray, semitones: int, draw: float) -> int:
    """A move by a uniform draw from [0, 1)."""
    played = np.flatnonzero(x_TV.any(axis=0))
    lowest, highest = (played[0], played[-1]) if len(played) else (0, x_TV.shape[1] - 1)
    down, up = min(semitones, int(lowest)), min(semitones, x_TV.shape[1] - 1 - int(highest))
    return int(draw * (down + up + 1)) - down


def _moved(x_TV: np.ndarray, keys: int) -> np.ndarray:
    """What is moved off the keyboard would come back at its other end: `_keys` leaves no such note."""
    return np.roll(x_TV, keys, axis=1)
