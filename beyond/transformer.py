"""A causal Transformer over x, with an exact likelihood (Vaswani et al. 2017)."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lnf.corpora.batches import CorpusShape, SequenceBatch
from lnf.models.base import FROM_THE_MODEL, Sampling, SequenceModel
from lnf.models.objectives import Terms
from lnf.nn.dropout import Dropout
from lnf.nn.positions import PositionTable, position_codes


class Transformer(SequenceModel):
    """p(T) prod_t p(x_t | x_{<t}, T): step t is given x_{t-1} and the position code of t, and attends to earlier steps.

    Arguments: shape of the corpus; units, layers, heads, dropout on the inputs.
    References: Vaswani et al. 2017, "Attention is all you need".
    """

    exact: ClassVar[bool] = True

    def __init__(
        self, shape: CorpusShape, *, units: int = 256, layers: int = 4, heads: int = 4, dropout: float = 0.1
    ) -> None:
        super().__init__(shape)
        self.emission = shape.emission(units, units)
        self.start = nn.Parameter(torch.zeros(units))
        self.positions = PositionTable(shape.max_length, units)
        nn.init.normal_(self.positions.weight, std=0.1)
        self.dropout = Dropout(dropout)
        layer = nn.TransformerEncoderLayer(units, heads, 4 * units, dropout=0.0, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def draw_noise(self, batch: SequenceBatch, samples: int, generator: torch.Generator | None) -> Tensor:
        return self.emission.bias.new_empty(1, *batch.mask_BT.shape, 0)

    def terms_given(self, batch: SequenceBatch, noise_SBTH: Tensor) -> Terms:
        nll_BT = self.emission.nll(self._features(batch.x, batch.mask_BT), batch.x)
        log_p_length_B = self.log_p_length[batch.lengths_B].to(nll_BT)
        return Terms(nll_BT.masked_fill(~batch.mask_BT, 0).sum(1)[None], None, log_p_length_B)

    @torch.no_grad()
    def sample(
        self,
        lengths: Tensor | Sequence[int],
        generator: torch.Generator | None = None,
        how: Sampling = FROM_THE_MODEL,
    ) -> SequenceBatch:
        mask_BT = self.mask(lengths)
        positions_BTU = self.positions(position_codes(mask_BT, self.max_length))
        x = self.emission.sample(self.start.expand(*mask_BT.shape, -1), greedy=True)  # a place for each step
        attended: list[Tensor | None] = [None] * len(self.body.layers)
        before_BU = self.start.expand(len(x), -1)
        for t in range(mask_BT.shape[1]):
            features_BU = self._next(before_BU + positions_BTU[:, t], attended)
            x[:, t] = self.emission.sample(features_BU, generator, how.greedy, how.temperature)
            before_BU = self.emission.embed(x[:, t])
        return SequenceBatch.masked(x, mask_BT)

    def _features(self, x: Tensor, mask_BT: Tensor) -> Tensor:
        before_BTU = torch.cat([self.start.expand(len(x), 1, -1), self.emission.embed(x[:, :-1])], 1)
        inputs_BTU = self.dropout(before_BTU + self.positions(position_codes(mask_BT, self.max_length)))
        later_TT = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)
        features_BTU: Tensor = self.body(inputs_BTU, mask=later_TT)
        return features_BTU

    def _next(self, input_BU: Tensor, attended: list[Tensor | None]) -> Tensor:
        """The features of one more step; `attended`: what each layer attends to, [B, steps so far, U], which grows."""
        y = self.dropout(input_BU)[:, None]
        for number, layer in enumerate(self.body.layers):
            query, before = layer.norm1(y), attended[number]
            keys = query if before is None else torch.cat([before, query], 1)
            attended[number] = keys
            y = y + layer.self_attn(query, keys, keys, need_weights=False)[0]
            y = y + layer.linear2(layer.activation(layer.linear1(layer.norm2(y))))
        features_BU: Tensor = y[:, 0]
        return features_BU
