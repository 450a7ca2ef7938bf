"""Prepared corpora as one run sees them: subset, length prior, batches (reads what `lnf prepare` wrote)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lnf.corpora import store
from lnf.corpora.batches import CorpusShape, SequenceBatch, collate
from lnf.corpora.length_prior import length_log_probs
from lnf.errors import UserError
from lnf.spec import Spec, Subset


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
    """Read a corpus folder and draw the spec's subset.

    Raises UserError if a sequence of the subset has a length that the length prior excludes.
    """
    meta = store.read_meta(folder)
    splits = {name: _draw(folder, name, spec.subset, meta["width"]) for name in ("train", "valid", "test")}
    lengths = [len(x) for name in ("train", "valid") for x in splits[name].sequences]
    log_p_length = length_log_probs(lengths, spec.lengths)
    for name, split in splits.items():
        for row, x in enumerate(split.sequences):
            if len(x) >= len(log_p_length) or log_p_length[len(x)] == -torch.inf:
                raise UserError(
                    f"data: {spec.corpus}/{name}: sequence {row} has {len(x)} steps, which the length prior excludes;"
                    " set lengths.smoothing to add_one and lengths.headroom above 1"
                )
    shape = CorpusShape(meta["kind"], meta["width"], len(log_p_length) - 1, log_p_length)
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
