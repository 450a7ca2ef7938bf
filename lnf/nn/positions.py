"""Position code of a sequence, as look-ups (docs/paper.md 3e, "Position code").

The paper concatenates sig(T)_t = [onehot_M(t); onehot_M(T-1-t)] to the inputs of a layer. A product of a one-hot with a
matrix is one of its rows: `PositionTable` holds the columns of that matrix and adds two of its rows.
"""

import torch
from torch import Tensor, nn


def position_codes(mask_BT: Tensor, max_length: int) -> Tensor:
    """Row numbers [B, T, 2] of a `PositionTable`: distance from the start, and max_length + distance from the end.

    Padding steps get distance 0 from the end; no valid output depends on them.
    """
    steps_T = torch.arange(mask_BT.shape[1], device=mask_BT.device)
    from_end_BT = (mask_BT.sum(1, keepdim=True) - 1 - steps_T).clamp(min=0)
    return torch.stack([steps_T.expand_as(from_end_BT), max_length + from_end_BT], dim=-1)


class PositionTable(nn.Module):
    """The columns of a weight matrix that a position code meets: [2 M, features], two rows added per position."""

    def __init__(self, max_length: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2 * max_length, features))

    def forward(self, codes: Tensor) -> Tensor:
        """Codes [..., 2] to features [..., features]."""
        rows = nn.functional.embedding_bag(codes.reshape(-1, 2), self.weight, mode="sum")
        return rows.view(*codes.shape[:-1], -1)
