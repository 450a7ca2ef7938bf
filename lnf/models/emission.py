"""How features of a step become a distribution over x_t, and x_t an embedding; the output weights are tied to it.

Axes: B batch, T time, V vocabulary size or number of keys, E embedding, F features. Leading axes are free (`...`).
"""

import torch
from torch import Tensor, nn

from lnf.nn.linear import Linear, linear


class Emission(nn.Module):
    """p(x_t | features): W2 (W1 features + b1) + b2 with W2 = the embedding (docs/paper.md 3e "Decoder").

    Arguments: kind ("text": categorical over V symbols; "music": V independent Bernoulli keys), V, E, features F.
    """

    def __init__(self, kind: str, width: int, embedding: int, features: int) -> None:
        super().__init__()
        self.kind = kind
        self.embedding = nn.Parameter(torch.empty(width, embedding).uniform_(-0.07, 0.07))
        self.hidden = Linear(features, embedding)
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.uniform_(self.hidden.weight, -0.07, 0.07)
        nn.init.zeros_(self.hidden.bias)

    def embed(self, x: Tensor) -> Tensor:
        """x [B, T] or [B, T, V] to [B, T, E]; music adds the rows of the keys that are on."""
        if self.kind == "text":
            return nn.functional.embedding(x, self.embedding)
        return linear(x.to(self.embedding), self.embedding.T)

    def logits(self, features: Tensor) -> Tensor:
        """[..., F] to [..., V]."""
        return linear(self.hidden(features), self.embedding, self.bias)

    def nll(self, features: Tensor, x: Tensor) -> Tensor:
        """-log p(x_t | features), [...], in nats; x broadcasts against the features' leading axes."""
        logits = self.logits(features)
        if self.kind == "text":
            chosen = torch.gather(logits, -1, x.expand(logits.shape[:-1]).unsqueeze(-1)).squeeze(-1)
            return logits.logsumexp(-1) - chosen
        return (nn.functional.softplus(logits) - x.to(logits) * logits).sum(-1)

    def sample(
        self,
        features: Tensor,
        generator: torch.Generator | None = None,
        greedy: bool = False,
        temperature: float = 1.0,
    ) -> Tensor:
        """x_t ~ p(x_t | features), symbol ids [...] or keys [..., V]: of logits / temperature, or if greedy the
        likeliest symbol and the keys with p > 0.5.
        """
        logits = self.logits(features) / temperature
        if greedy:
            return logits.argmax(-1) if self.kind == "text" else (logits > 0).to(logits)
        if self.kind == "text":
            flat = torch.multinomial(logits.softmax(-1).flatten(0, -2), 1, generator=generator)
            return flat.view(logits.shape[:-1])
        return torch.bernoulli(torch.sigmoid(logits), generator=generator)
