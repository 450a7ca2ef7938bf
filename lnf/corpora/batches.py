"""Batches of sequences, and what a model must know of a corpus.

Axes: B batch, T time, V vocabulary size or number of keys.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from lnf.errors import UserError
from lnf.kinds.base import kind_of
from lnf.kinds.emission import Emission


@dataclass(frozen=True)
class SequenceBatch:
    """Padded sequences: x [B, T] ids, or [B, T, V], as keys in {0, 1}; mask [B, T] true on real steps."""

    x: Tensor
    mask_BT: Tensor

    @classmethod
    def masked(cls, x: Tensor, mask_BT: Tensor) -> "SequenceBatch":
        """The batch of x, which is set to zero on padding."""
        return cls(x.masked_fill(~mask_BT.view(*mask_BT.shape, *[1] * (x.dim() - 2)), 0), mask_BT)

    @property
    def lengths_B(self) -> Tensor:
        """Numbers of steps."""
        return self.mask_BT.sum(1)

    def to(self, device: torch.device) -> "SequenceBatch":
        """The same batch on a device."""
        return SequenceBatch(self.x.to(device), self.mask_BT.to(device))


@dataclass(frozen=True)
class CorpusShape:
    """What a model must know of a corpus: its kind ("text", "music", "symbols" or the dotted path of a class), V, M,
    log p(T) and the symbols.

    log_p_length: for T = 0..M, in nats, [M + 1]; if not given, lengths from 1 to M are equally likely.
    unit: of its tables; if not given, that of the kind. separator: between symbols that are written.
    """

    kind: str
    width: int
    max_length: int
    log_p_length: Tensor = field(default_factory=lambda: torch.empty(0))
    vocabulary: tuple[str, ...] | None = None
    unit: str = ""
    separator: str = ""

    def __post_init__(self) -> None:
        if not self.unit:
            object.__setattr__(self, "unit", kind_of(self.kind).unit_for())
        if len(self.log_p_length) == 0:
            equal = torch.full((self.max_length + 1,), -math.log(self.max_length), dtype=torch.float64)
            equal[0] = -torch.inf
            object.__setattr__(self, "log_p_length", equal)

    def emission(self, embedding: int, features: int) -> Emission:
        """The distribution of x_t given so many features, with embeddings of a size; its weights are new."""
        return kind_of(self.kind).emission()(self.width, embedding, features)


def collate(sequences: Sequence[np.ndarray], kind: str, width: int) -> SequenceBatch:
    """Pad sequences [T] or [T, V] of a corpus with `width` symbols, keys or columns into one batch.

    Raises UserError for a value that the kind does not have: of symbols 0..width - 1, of keys 0 or 1.
    """
    lengths = [len(sequence) for sequence in sequences]
    kept = np.result_type(*sequences)
    padded = np.zeros((len(sequences), max(lengths), *sequences[0].shape[1:]), dtype=kept)
    for row, sequence in enumerate(sequences):
        padded[row, : len(sequence)] = sequence
    known = kind_of(kind)
    problem = known.fault(padded, width)
    if problem is not None:
        raise UserError(f"data: a batch of {kind} {problem}")
    if known.symbols and kept.itemsize >= 4:
        padded = padded.astype(np.int64)  # PyTorch has no larger unsigned types
    x = torch.from_numpy(padded)
    x = x.long() if known.symbols else x.to(torch.get_default_dtype())
    return SequenceBatch(x, mask_of(torch.tensor(lengths)))


def mask_of(lengths_B: Tensor) -> Tensor:
    """Mask [B, max T], true on real steps."""
    return torch.arange(int(lengths_B.max()), device=lengths_B.device) < lengths_B[:, None]
