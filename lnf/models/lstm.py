"""The LSTM baseline: an autoregressive model of x itself, with an exact likelihood (docs/paper.md 3e "LSTM baseline").

Axes: B batch, T time, U units.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from lnf.corpora.batches import CorpusShape, SequenceBatch, mask_of
from lnf.models.base import FROM_THE_MODEL, Sampling, SequenceModel, Terms
from lnf.models.emission import Emission
from lnf.nn.dropout import Dropout
from lnf.nn.lstm import LSTM
from lnf.nn.positions import position_codes
from lnf.spec import Spec


class LSTMModel(SequenceModel):
    """p(T) prod_t p(x_t | x_{<t}, T): the input is [embedding of x_t; position code of step t + 1].

    The first symbol's logits are a learned constant, since the initial state is zero.

    Arguments: spec (sizes), shape of the corpus.
    References: paper, section 6; docs/paper.md 3e.
    """

    exact: ClassVar[bool] = True

    def __init__(self, spec: Spec, shape: CorpusShape) -> None:
        super().__init__(shape)
        size = spec.model
        self.emission = Emission(shape.kind, shape.width, size.embedding, size.hidden)
        nn.init.xavier_uniform_(self.emission.embedding)
        self.lstm = LSTM(size.embedding, size.hidden, size.layers, shape.max_length, size.dropout)
        self.dropout = Dropout(size.dropout)

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
        before_BTU = embedded_BTE.new_zeros(len(batch.x), 1, self.lstm.layers[-1].get_parameter("weight_hh").shape[-1])
        if batch.x.shape[1] > 1:
            codes_BT2 = position_codes(batch.mask_BT, self.max_length)[:, 1:]
            outputs = self.lstm(embedded_BTE, codes_BT2, self.lstm.zero_state(embedded_BTE))
            before_BTU = torch.cat([before_BTU, outputs], dim=1)
        return self.emission.nll(self.dropout(before_BTU), batch.x).masked_fill(~batch.mask_BT, 0)

    def sample(
        self, lengths_B: Tensor, generator: torch.Generator | None = None, how: Sampling = FROM_THE_MODEL
    ) -> SequenceBatch:
        mask_BT = mask_of(lengths_B)
        positions_TBG = self.lstm.position(position_codes(mask_BT, self.max_length)).unbind(1)
        state = self.lstm.zero_state(self.emission.embedding.new_zeros(len(mask_BT), 1))
        steps: list[Tensor] = []
        for t in range(mask_BT.shape[1]):
            if t > 0:
                state = self.lstm.step(self.emission.embed(steps[-1]), positions_TBG[t], state)
            steps.append(self.emission.sample(state.h[-1], generator, how.greedy, how.temperature))
        x = torch.stack(steps, 1)
        return SequenceBatch(x.masked_fill(~mask_BT.view(*mask_BT.shape, *[1] * (x.dim() - 2)), 0), mask_BT)
