"""Dropout that draws from a generator of its own, so that the seed of one noise never moves another."""

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Inverted dropout with probability `p`; a fresh mask for every element of every call.

    `generator` is set by the state of a run (`lnf.runs.state`) (`None`: torch's global generator). Off in eval mode.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Zero elements with probability p and scale the rest by 1 / (1 - p)."""
        if not self.training or self.p == 0:
            return x
        keep = torch.empty_like(x, dtype=torch.bool).bernoulli_(1 - self.p, generator=self.generator)
        return torch.where(keep, x / (1 - self.p), 0)
