"""Models that predict each step from the steps before it: exact likelihoods, samples drawn step by step.

Axes: B batch, T time, F features.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from lnf.corpora.batches import SequenceBatch
from lnf.kinds.emission import Emission
from lnf.models.base import FROM_THE_MODEL, Sampling, SequenceModel
from lnf.models.objectives import Terms

Stepper = Callable[[Tensor | None], Tensor]
"""Given x_{t-1} [B] or [B, V], None at the first step, the features [B, F] of step t; it remembers earlier steps."""


class AutoregressiveModel(SequenceModel):
    """p(T) prod_t p(x_t | x_{<t}, T): its `emission` makes p(x_t | x_{<t}, T) of features, which a class gives of all
    steps at once and step by step. The law `stepper_gives_the_features` compares the two.

    Arguments: shape of the corpus.
    """

    exact: ClassVar[bool] = True
    emission: Emission

    @abstractmethod
    def features(self, batch: SequenceBatch) -> Tensor:
        """The features of each step [B, T, F], made of x_{<t} and T; padding holds anything finite."""

    @abstractmethod
    def stepper(self, mask_BT: Tensor) -> Stepper:
        """The same features, step by step, of new sequences with the mask [B, T]."""

    def log_prob(self, batch: SequenceBatch) -> Tensor:
        """log p(T) + log p(x|T) of each sequence, [B], in nats: exact."""
        return self.elbo(batch)

    def nll_steps(self, batch: SequenceBatch) -> Tensor:
        """-log p(x_t | x_{<t}, T), [B, T], in nats, zero on padding."""
        return self.emission.nll(self.features(batch), batch.x).masked_fill(~batch.mask_BT, 0)

    def draw_noise(self, batch: SequenceBatch, samples: int, generator: torch.Generator | None) -> Tensor:
        return self.emission.bias.new_empty(1, *batch.mask_BT.shape, 0)

    def terms_given(self, batch: SequenceBatch, noise_SBTH: Tensor) -> Terms:
        return Terms(
            distortion_SB=self.nll_steps(batch).sum(-1)[None],
            rate_SB=None,
            log_p_length_B=self.log_p_length[batch.lengths_B].to(self.emission.bias),
        )

    @torch.no_grad()
    def sample(
        self,
        lengths: Tensor | Sequence[int],
        generator: torch.Generator | None = None,
        how: Sampling = FROM_THE_MODEL,
    ) -> SequenceBatch:
        return self._drawn(None, self.mask(lengths), generator, how)

    @torch.no_grad()
    def continued(
        self,
        prompt: SequenceBatch,
        lengths: Tensor | Sequence[int],
        generator: torch.Generator | None = None,
        how: Sampling = FROM_THE_MODEL,
    ) -> SequenceBatch:
        """x ~ p(x_t | x_{<t}, T) after the prompt's steps."""
        return self._drawn(prompt, self.mask(lengths), generator, how)

    def _drawn(
        self, prompt: SequenceBatch | None, mask_BT: Tensor, generator: torch.Generator | None, how: Sampling
    ) -> SequenceBatch:
        given_TB = [] if prompt is None else self.known(prompt, mask_BT)[:, : prompt.x.shape[1]].unbind(1)
        step, steps = self.stepper(mask_BT), list[Tensor]()
        for t in range(mask_BT.shape[1]):
            features_BF = step(steps[-1] if steps else None)
            x_t = self.emission.sample(features_BF, generator, how.greedy, how.temperature)
            if prompt is not None and t < len(given_TB):
                given_B = given_TB[t].view(-1, *[1] * (x_t.dim() - 1))
                x_t = torch.where(given_B, prompt.x[:, t].to(x_t), x_t)
            steps.append(x_t)
        return SequenceBatch.masked(torch.stack(steps, 1), mask_BT)
