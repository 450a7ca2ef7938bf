"""What every model of sequences is: terms of a bound or likelihood, and samples.

Axes: S samples of the posterior, B batch, T time, H latent size.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lnf.corpora.batches import CorpusShape, SequenceBatch
from lnf.spec import Spec, class_of


@dataclass(frozen=True)
class Terms:
    """Per sequence and posterior sample, in nats.

    distortion [S, B] = -log p(x|z), rate [S, B] = log q(z|x) - log p(z|T). An exact model has S = 1, no rate, and its
    distortion is -log p(x|T).
    """

    distortion_SB: Tensor
    rate_SB: Tensor | None
    log_p_length_B: Tensor


@dataclass(frozen=True)
class Sampling:
    """How x is drawn. `temperature` t > 0: noise e ~ N(0, t^2 I) of a latent model, logits / t of an exact one; only
    t = 1 draws from the model. `greedy`: the likeliest x_t given what it depends on, instead of a draw.
    """

    temperature: float = 1.0
    greedy: bool = False


FROM_THE_MODEL = Sampling()


class SequenceModel(nn.Module, ABC):
    """p(T) p(x|T). `exact` says whether `terms` hold a likelihood or the terms of a bound."""

    exact: ClassVar[bool]
    log_p_length: Tensor

    def __init__(self, shape: CorpusShape) -> None:
        super().__init__()
        self.max_length, self.width = shape.max_length, shape.width
        self.register_buffer("log_p_length", shape.log_p_length.clone())

    def terms(self, batch: SequenceBatch, samples: int, generator: torch.Generator | None = None) -> Terms:
        """Terms of `samples` posterior samples of each sequence; noise from `generator`."""
        return self.terms_given(batch, self.draw_noise(batch, samples, generator))

    @abstractmethod
    def draw_noise(self, batch: SequenceBatch, samples: int, generator: torch.Generator | None) -> Tensor:
        """The standard normal noise [S, B, T, H] that `terms_given` takes; empty for an exact model."""

    @abstractmethod
    def terms_given(self, batch: SequenceBatch, noise_SBTH: Tensor) -> Terms:
        """Terms of each sequence for given posterior noise: a deterministic function (dropout apart)."""

    @abstractmethod
    def sample(
        self, lengths_B: Tensor, generator: torch.Generator | None = None, how: Sampling = FROM_THE_MODEL
    ) -> SequenceBatch:
        """x ~ p(x|T) for the given lengths, or as `how` says."""

    def sample_lengths(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """T ~ p(T), T > 0, [count]."""
        weights = self.log_p_length.exp()
        weights[0] = 0
        return torch.multinomial(weights, count, replacement=True, generator=generator)


def build_model(spec: Spec, shape: CorpusShape) -> SequenceModel:
    """The untrained model of a run; weights are drawn from torch's global generator."""
    model: SequenceModel = class_of("model", spec.prior.model)(spec, shape, **spec.options.model)
    return model
