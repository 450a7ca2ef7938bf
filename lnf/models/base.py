"""What every model of sequences is: terms of a bound or likelihood, and samples.

Axes: S or K samples of the posterior, B batch, T time, H latent size.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from lnf.corpora.batches import CorpusShape, SequenceBatch, collate, mask_of
from lnf.errors import UserError
from lnf.models.objectives import Terms, iwae_bound, log_weights
from lnf.spec import Spec, class_of


@dataclass(frozen=True)
class Sampling:
    """How x is drawn. `temperature` t > 0: noise e ~ N(0, t^2 I) of a latent model, logits / t of an exact one; only
    t = 1 draws from the model. `greedy`: the likeliest x_t given what it depends on, instead of a draw.
    """

    temperature: float = 1.0
    greedy: bool = False


FROM_THE_MODEL = Sampling()


class SequenceModel(nn.Module, ABC):
    """p(T) p(x|T). `exact` says whether `terms` hold a likelihood or the terms of a bound.

    Arguments: shape of the corpus.
    """

    exact: ClassVar[bool]
    log_p_length: Tensor

    def __init__(self, shape: CorpusShape) -> None:
        super().__init__()
        self.shape = shape
        self.kind, self.vocabulary = shape.kind, shape.vocabulary
        self.max_length, self.width = shape.max_length, shape.width
        self.register_buffer("log_p_length", shape.log_p_length.clone())

    @classmethod
    def from_spec(cls, spec: Spec, shape: CorpusShape) -> Self:
        """The untrained model of a run. A model whose sizes are options of its own need not override this."""
        options: dict[str, Any] = spec.options.model
        return cls(shape, **options)

    @abstractmethod
    def draw_noise(self, batch: SequenceBatch, samples: int, generator: torch.Generator | None) -> Tensor:
        """The standard normal noise [S, B, T, H] that `terms_given` takes; empty for an exact model."""

    @abstractmethod
    def terms_given(self, batch: SequenceBatch, noise_SBTH: Tensor) -> Terms:
        """Terms of each sequence for given posterior noise: a deterministic function (dropout apart)."""

    def step_bytes(self) -> int:
        """Bytes that `terms` needs for a step of a sample at its widest point: an evaluation takes as many samples at
        once as its budget holds. This estimate is 32 numbers for each input of the widest weight.
        """
        widest = max((weight.shape[-1] for weight in self.parameters() if weight.dim() > 1), default=1)
        return 32 * widest * self._itemsize()

    @abstractmethod
    def sample(
        self,
        lengths: Tensor | Sequence[int],
        generator: torch.Generator | None = None,
        how: Sampling = FROM_THE_MODEL,
    ) -> SequenceBatch:
        """x ~ p(x|T) for the given lengths [B], or as `how` says."""

    def continued(
        self,
        prompt: SequenceBatch,
        lengths: Tensor | Sequence[int],
        generator: torch.Generator | None = None,
        how: Sampling = FROM_THE_MODEL,
    ) -> SequenceBatch:
        """Sequences of the given lengths [B] that begin with the prompt's. Raises UserError if the model cannot."""
        raise UserError(f"prompt: {type(self).__name__} cannot continue one")

    def terms(self, batch: SequenceBatch, samples: int, generator: torch.Generator | None = None) -> Terms:
        """Terms of `samples` posterior samples of each sequence; noise from `generator`."""
        return self.terms_given(batch, self.draw_noise(batch, samples, generator))

    def elbo(self, batch: SequenceBatch, samples: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """The evidence lower bound on log p(T) + log p(x|T), [B], in nats: a mean over `samples` of the posterior. Of
        an exact model, the log-likelihood.
        """
        terms = self.terms(batch, samples, generator)
        return log_weights(terms).mean(0) + terms.log_p_length_B

    def bound(self, batch: SequenceBatch, samples: int = 30, generator: torch.Generator | None = None) -> Tensor:
        """The importance-weighted bound on the same, [B], in nats, which grows with `samples` towards the
        log-likelihood (Burda et al. 2016). All samples are in memory at once.
        """
        terms = self.terms(batch, samples, generator)
        return iwae_bound(log_weights(terms)) + terms.log_p_length_B

    def sample_lengths(self, count: int, generator: torch.Generator | None = None, shortest: int = 1) -> Tensor:
        """T ~ p(T) given T >= shortest, [count]. Raises UserError if no such length has a probability."""
        weights = self.log_p_length.exp()
        weights[:shortest] = 0
        if not weights.any():
            raise UserError(f"length: no sequence of {shortest} or more steps has a probability")
        return torch.multinomial(weights, count, replacement=True, generator=generator)

    def batch(self, sequences: Sequence[str | Sequence[str] | np.ndarray]) -> SequenceBatch:
        """Sequences as the model takes them, where its weights are: texts, of characters or of symbols between
        separators; lists of symbols; symbol ids [T]; or for music piano rolls [T, V].

        Raises UserError for a symbol, value or length that the model does not know.
        """
        arrays = [x if isinstance(x, np.ndarray) else self._ids(x) for x in sequences]
        self.mask([len(x) for x in arrays])
        return collate(arrays, self.kind, self.width).to(self.log_p_length.device)

    def mask(self, lengths: Tensor | Sequence[int]) -> Tensor:
        """The mask [B, T] of sequences of these lengths. Raises UserError for one that the model does not know."""
        lengths_B = torch.as_tensor(lengths, device=self.log_p_length.device)
        low, high = int(lengths_B.min()), int(lengths_B.max())
        if low < 1 or high > self.max_length:
            wrong = low if low < 1 else high
            raise UserError(f"length {wrong}: the model knows lengths from 1 to {self.max_length}")
        return mask_of(lengths_B)

    def known(self, prompt: SequenceBatch, mask_BT: Tensor) -> Tensor:
        """Which steps [B, T] of sequences a prompt gives. Raises UserError if it has more steps than they, or is of
        another number of sequences.
        """
        if len(prompt.mask_BT) != len(mask_BT):
            raise UserError(f"prompt: {len(prompt.mask_BT)} sequences for {len(mask_BT)} lengths")
        steps = mask_BT.shape[1] - prompt.mask_BT.shape[1]
        known_BT = nn.functional.pad(prompt.mask_BT, (0, steps))
        if steps < 0 or (known_BT & ~mask_BT).any():
            raise UserError(f"prompt: {prompt.mask_BT.shape[1]} steps are more than the length that is asked for")
        return known_BT

    def texts(self, batch: SequenceBatch) -> list[str]:
        """The sequences of a batch of symbols as strings. Raises UserError if the model has no symbols."""
        symbols, between, x = self._symbols(), self.shape.separator, batch.x.tolist()
        lengths = enumerate(batch.lengths_B.tolist())
        return [between.join(symbols[n] for n in x[row][:length]) for row, length in lengths]

    def _itemsize(self) -> int:
        return next(self.parameters()).element_size()

    def _ids(self, text: str | Sequence[str]) -> np.ndarray:
        numbers, between = {symbol: n for n, symbol in enumerate(self._symbols())}, self.shape.separator
        text = text.split(between) if isinstance(text, str) and between else text
        unknown = next((symbol for symbol in text if symbol not in numbers), None)
        if unknown is not None:
            raise UserError(f"batch: {unknown!r} is none of the model's {len(numbers)} symbols (model.vocabulary)")
        return np.array([numbers[symbol] for symbol in text], dtype=np.int64)

    def _symbols(self) -> Sequence[str]:
        if self.vocabulary is None:
            raise UserError("vocabulary: the model has none; give arrays, or build it with the symbols of its corpus")
        return self.vocabulary


def build_model(spec: Spec, shape: CorpusShape) -> SequenceModel:
    """The untrained model of a run; weights are drawn from torch's global generator."""
    model: SequenceModel = class_of("model", spec.prior.model).from_spec(spec, shape)
    return model
