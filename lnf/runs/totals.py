"""What a pass over a split adds up to, and what it may not: a number that is not finite."""

import math
from dataclasses import dataclass

from lnf.corpora.batches import SequenceBatch
from lnf.models.objectives import Objective


class Diverged(Exception):
    """A loss, a gradient or a weight is not finite."""


@dataclass
class Totals:
    """Token-weighted sums over an epoch, in nats; `tokens` is sum(T + 1)."""

    loss: float = 0.0
    reconstruction: float = 0.0
    kl: float | None = None
    length: float = 0.0
    tokens: int = 0

    def add(self, terms: Objective, batch: SequenceBatch) -> None:
        """Take in a batch, in float64. Raises Diverged if the loss is not finite."""
        self.loss += terms.loss_B.detach().double().sum().item()
        self.reconstruction += terms.reconstruction_B.detach().double().sum().item()
        self.length += terms.length_B.double().sum().item()
        self.tokens += int((batch.lengths_B + 1).sum())
        if terms.kl_B is not None:
            self.kl = (self.kl or 0.0) + terms.kl_B.detach().double().sum().item()
        finite(self.loss)

    def per_token(self, name: str) -> float | None:
        """A sum divided by sum(T + 1)."""
        value = getattr(self, name)
        return None if value is None else value / self.tokens


def finite(value: float | None) -> float:
    """The value. Raises Diverged if it is not finite, or is missing."""
    if value is None or not math.isfinite(value):
        raise Diverged
    return value
