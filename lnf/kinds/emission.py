"""How features of a step become a distribution over x_t, and x_t an embedding; the output weights are tied to it.

Axes: B batch, T time, V vocabulary size, number of keys or of columns, E embedding, F features. Leading axes are free
(`...`).
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from lnf.nn.linear import Linear, linear


class Emission(nn.Module, ABC):
    """p(x_t | features), a distribution whose parameters are logits W2 (W1 features + b1) + b2 with W2 = the embedding
    (docs/paper.md 3e "Decoder").

    Arguments: V, E, features F.
    """

    def __init__(self, width: int, embedding: int, features: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(width, embedding).uniform_(-0.07, 0.07))
        self.hidden = Linear(features, embedding)
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.uniform_(self.hidden.weight, -0.07, 0.07)
        nn.init.zeros_(self.hidden.bias)

    def numbers(self) -> int:
        """Numbers that `nll` holds for a step, so that an evaluation knows how much memory it takes: logits and what is
        made of them.
        """
        return 3 * len(self.bias)

    def logits(self, features: Tensor) -> Tensor:
        """[..., F] to [..., V]."""
        return linear(self.hidden(features), self.embedding, self.bias)

    def embed(self, x: Tensor) -> Tensor:
        """x [B, T, V] to [B, T, E]: the sum of the rows of its columns, each times its value."""
        return linear(x.to(self.embedding), self.embedding.T)

    @abstractmethod
    def nll(self, features: Tensor, x: Tensor) -> Tensor:
        """-log p(x_t | features), [...], in nats; x broadcasts against the features' leading axes."""

    @abstractmethod
    def sample(
        self,
        features: Tensor,
        generator: torch.Generator | None = None,
        greedy: bool = False,
        temperature: float = 1.0,
    ) -> Tensor:
        """x_t ~ p(x_t | features), [...] or [..., V]: of logits / temperature, or if greedy the likeliest."""


class Categorical(Emission):
    """One of V symbols: x are ids."""

    def embed(self, x: Tensor) -> Tensor:
        """x [B, T] to [B, T, E]."""
        return nn.functional.embedding(x, self.embedding)

    def nll(self, features: Tensor, x: Tensor) -> Tensor:
        logits = self.logits(features)
        chosen = torch.gather(logits, -1, x.expand(logits.shape[:-1]).unsqueeze(-1)).squeeze(-1)
        return logits.logsumexp(-1) - chosen

    def sample(
        self,
        features: Tensor,
        generator: torch.Generator | None = None,
        greedy: bool = False,
        temperature: float = 1.0,
    ) -> Tensor:
        logits = self.logits(features) / temperature
        if greedy:
            return logits.argmax(-1)
        flat = torch.multinomial(logits.softmax(-1).flatten(0, -2), 1, generator=generator)
        return flat.view(logits.shape[:-1])


class Bernoulli(Emission):
    """V keys that are on or off, independent of each other given the features; x are zeros and ones.

    The likeliest are the keys with p > 0.5.
    """

    def nll(self, features: Tensor, x: Tensor) -> Tensor:
        logits = self.logits(features)
        return (nn.functional.softplus(logits) - x.to(logits) * logits).sum(-1)

    def sample(
        self,
        features: Tensor,
        generator: torch.Generator | None = None,
        greedy: bool = False,
        temperature: float = 1.0,
    ) -> Tensor:
        logits = self.logits(features) / temperature
        return (logits > 0).to(logits) if greedy else torch.bernoulli(torch.sigmoid(logits), generator=generator)
