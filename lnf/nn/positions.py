"""Position code of a sequence, as look-ups (docs/paper.md 3e, "Position code").

The paper concatenates sig(T)_t = [onehot_M(t); onehot_M(T-1-t)] to the inputs of a layer. A product of a one-hot with a
matrix is one of its rows: `PositionTable` holds the columns of that matrix and adds two of its rows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


def position_codes(mask_BT: Tensor, max_length: int) -> Tensor:
    """Row numbers [B, T, 2] of a `PositionTable`: distance from the start, and max_length + distance from the end.

    Padding steps get distance 0 from the end; no valid output depends on them.
    """
    steps_T = torch.arange(mask_BT.shape[1], device=mask_BT.device)
    from_end_BT = (mask_BT.sum(1, keepdim=True) - 1 - steps_T).clamp(min=0)
    return torch.stack([steps_T.expand_as(from_end_BT), max_length + from_end_BT], dim=-1)


@dataclass(frozen=True)
class SharedCodes:
    """Position codes [T, L, 2] of the L distinct lengths of a batch; which length a row has, and a row of each."""

    codes_TL2: Tensor
    length_B: Tensor
    row_L: Tensor


def shared_codes(codes_BT2: Tensor) -> SharedCodes:
    """Codes [B, T, 2], each length's only once: the first step's distance from the end determines all others."""
    ends_L, length_B = torch.unique(codes_BT2[:, 0, 1], return_inverse=True)
    rows_B = torch.arange(len(length_B), device=length_B.device)
    row_L = torch.zeros_like(ends_L).scatter_(0, length_B, rows_B)
    return SharedCodes(codes_BT2[row_L].transpose(0, 1), length_B, row_L)


class PositionTable(nn.Module):
    """The columns of a weight matrix that a position code meets: [2 M, features], two rows added per position."""

    def __init__(self, max_length: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2 * max_length, features))

    def forward(self, codes: Tensor) -> Tensor:
        """Codes [..., 2] to features [..., features]."""
        rows = nn.functional.embedding_bag(codes.reshape(-1, 2), self.weight, mode="sum")
        return rows.view(*codes.shape[:-1], -1)
