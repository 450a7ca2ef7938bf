"""The LSTM baseline: an autoregressive model of x itself, with an exact likelihood (docs/paper.md 3e "LSTM baseline").

Axes: B batch, T time, U units.
"""

from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from lnf.corpora.batches import CorpusShape, SequenceBatch
from lnf.models.autoregressive import AutoregressiveModel, Stepper
from lnf.nn.dropout import Dropout
from lnf.nn.lstm import HELD, LSTM
from lnf.nn.positions import position_codes
from lnf.spec import Spec


class LSTMModel(AutoregressiveModel):
    """p(T) prod_t p(x_t | x_{<t}, T): the input is [embedding of x_t; position code of step t + 1].

    The first symbol's logits are a learned constant, since the initial state is zero.

    Arguments: shape of the corpus, embedding size, units and layers of the LSTM, dropout.
    References: paper, section 6; docs/paper.md 3e.
    """

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

    def step_bytes(self) -> int:
        """Of what a layer and the emission hold."""
        return (HELD * self.lstm.units + self.emission.numbers()) * self._itemsize()

    def features(self, batch: SequenceBatch) -> Tensor:
        embedded_BTE = self.dropout(self.emission.embed(batch.x[:, :-1]))
        before_BTU = embedded_BTE.new_zeros(len(batch.x), 1, self.lstm.units)
        if batch.x.shape[1] > 1:
            codes_BT2 = position_codes(batch.mask_BT, self.max_length)[:, 1:]
            outputs = self.lstm(embedded_BTE, codes_BT2, self.lstm.zero_state(embedded_BTE))
            before_BTU = torch.cat([before_BTU, outputs], dim=1)
        features_BTU: Tensor = self.dropout(before_BTU)
        return features_BTU

    def stepper(self, mask_BT: Tensor) -> Stepper:
        positions_TBG = iter(self.lstm.position(position_codes(mask_BT, self.max_length)).unbind(1))
        state = self.lstm.zero_state(self.emission.embedding.new_zeros(len(mask_BT), 1))

        def step(before: Tensor | None) -> Tensor:
            nonlocal state
            position_BG = next(positions_TBG)
            if before is not None:
                state = self.lstm.step(self.emission.embed(before), position_BG, state)
            return state.h[-1]

        return step
