"""The LSTM baseline: an autoregressive model of x itself, with an exact likelihood (docs/paper.md 3e "LSTM baseline").

Axes: B batch, T time, U units.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from lnf.corpora.batches import CorpusShape, SequenceBatch
from lnf.models.base import FROM_THE_MODEL, Sampling, SequenceModel
from lnf.models.objectives import Terms
from lnf.nn.dropout import Dropout
from lnf.nn.lstm import LSTM
from lnf.nn.positions import position_codes
from lnf.spec import Spec


class LSTMModel(SequenceModel):
    """p(T) prod_t p(x_t | x_{<t}, T): the input is [embedding of x_t; position code of step t + 1].

    The first symbol's logits are a learned constant, since the initial state is zero.

    Arguments: shape of the corpus, embedding size, units and layers of the LSTM, dropout.
    References: paper, section 6; docs/paper.md 3e.
    """

    exact: ClassVar[bool] = True

    def __init__(
        self, shape: CorpusShape, embedding: int = 500, units: int = 500, layers: int = 2, dropout: float = 0.2
    ) -> None:
        super().__init__(shape)
        self.emission = shape.emission(embedding, units)
        nn.init.xavier_uniform_(self.emission.embedding)
        self.lstm = LSTM(embedding, units, layers, shape.max_length, dropout)
        self.dropout = Dropout(dropout)

    @classmethod
    def from_spec(cls, spec: Spec, shape: CorpusShape) -> Self:
        size, options = spec.model, cast(dict[str, Any], spec.options.model)
        return cls(shape, size.embedding, size.hidden, size.layers, size.dropout, **options)

    def log_prob(self, batch: SequenceBatch) -> Tensor:
        """log p(T) + log p(x|T) of each sequence, [B], in nats: exact."""
        return self.elbo(batch)

    def step_bytes(self) -> int:
        """Gates and activations of a layer's two directions (16 U), cell and output (8 U), inputs (4 U), and what the
        emission holds.
        """
        return (28 * self.lstm.units + self.emission.numbers()) * self._itemsize()

    def draw_noise(self, batch: SequenceBatch, samples: int, generator: torch.Generator | None) -> Tensor:
        return self.emission.bias.new_empty(1, *batch.mask_BT.shape, 0)

    def terms_given(self, batch: SequenceBatch, noise_SBTH: Tensor) -> Terms:
        return Terms(
            distortion_SB=self.nll_steps(batch).sum(-1)[None],
            rate_SB=None,
            log_p_length_B=self.log_p_length[batch.lengths_B].to(self.emission.bias),
        )

    def nll_steps(self, batch: SequenceBatch) -> Tensor:
        """-log p(x_t | x_{<t}, T), [B, T], zero on padding."""
        embedded_BTE = self.dropout(self.emission.embed(batch.x[:, :-1]))
        before_BTU = embedded_BTE.new_zeros(len(batch.x), 1, self.lstm.units)
        if batch.x.shape[1] > 1:
            codes_BT2 = position_codes(batch.mask_BT, self.max_length)[:, 1:]
            outputs = self.lstm(embedded_BTE, codes_BT2, self.lstm.zero_state(embedded_BTE))
            before_BTU = torch.cat([before_BTU, outputs], dim=1)
        return self.emission.nll(self.dropout(before_BTU), batch.x).masked_fill(~batch.mask_BT, 0)

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
        positions_TBG = self.lstm.position(position_codes(mask_BT, self.max_length)).unbind(1)
        state = self.lstm.zero_state(self.emission.embedding.new_zeros(len(mask_BT), 1))
        steps: list[Tensor] = []
        for t in range(mask_BT.shape[1]):
            if t > 0:
                state = self.lstm.step(self.emission.embed(steps[-1]), positions_TBG[t], state)
            x_t = self.emission.sample(state.h[-1], generator, how.greedy, how.temperature)
            if prompt is not None and t < len(given_TB):
                given_B = given_TB[t].view(-1, *[1] * (x_t.dim() - 1))
                x_t = torch.where(given_B, prompt.x[:, t].to(x_t), x_t)
            steps.append(x_t)
        return SequenceBatch.masked(torch.stack(steps, 1), mask_BT)
