"""NADE: keys that are emitted in their order, each given those before it (Larochelle & Murray 2011, "The neural
autoregressive distribution estimator").

Axes: B batch, T time, V keys, D hidden units, F features. Leading axes are free (`...`).
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from lnf.kinds.emission import Emission
from lnf.nn.linear import Linear


class Nade(Emission):
    """p(x_t | features) = prod_v p(x_v | x_{<v}, features). The logit of key v is that of independent keys and
    out_v . sigmoid(c + sum_{u<v} x_u below_u), where c is linear in the features, as in an RNN-NADE.

    The likeliest keys are chosen one by one, from the lowest.
    """

    units: ClassVar[int] = 100
    """D."""

    def __init__(self, width: int, embedding: int, features: int) -> None:
        super().__init__(width, embedding, features)
        self.condition = Linear(features, self.units)
        self.below = nn.Parameter(torch.empty(width, self.units).uniform_(-0.07, 0.07))
        self.out = nn.Parameter(torch.empty(width, self.units).uniform_(-0.07, 0.07))
        nn.init.uniform_(self.condition.weight, -0.07, 0.07)
        nn.init.zeros_(self.condition.bias)

    def numbers(self) -> int:
        """Hidden units of every key, before and after the sigmoid, and weighted."""
        return super().numbers() + 3 * self.out.numel()

    def nll(self, features: Tensor, x: Tensor) -> Tensor:
        x = x.to(self.out)
        below_VD = (x[..., None] * self.below).cumsum(-2) - x[..., None] * self.below
        hidden_VD = torch.sigmoid(self.condition(features)[..., None, :] + below_VD)
        logits = self.logits(features) + (hidden_VD * self.out).sum(-1)
        return (nn.functional.softplus(logits) - x * logits).sum(-1)

    def sample(
        self,
        features: Tensor,
        generator: torch.Generator | None = None,
        greedy: bool = False,
        temperature: float = 1.0,
    ) -> Tensor:
        alone, below_D = self.logits(features), self.condition(features)
        keys: list[Tensor] = []
        for v, logit in enumerate(alone.unbind(-1)):
            logit = (logit + torch.sigmoid(below_D) @ self.out[v]) / temperature
            key = (logit > 0).to(logit) if greedy else torch.bernoulli(torch.sigmoid(logit), generator=generator)
            below_D = below_D + key[..., None] * self.below[v]
            keys.append(key)
        return torch.stack(keys, -1)
