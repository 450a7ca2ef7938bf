"""A causal Transformer over x, with an exact likelihood (Vaswani et al. 2017)."""

import torch
from torch import Tensor, nn

from lnf.corpora.batches import CorpusShape, SequenceBatch
from lnf.models.autoregressive import AutoregressiveModel, Stepper
from lnf.nn.dropout import Dropout
from lnf.nn.positions import PositionTable, position_codes


class Transformer(AutoregressiveModel):
    """p(T) prod_t p(x_t | x_{<t}, T): step t is given x_{t-1} and the position code of t, and attends to earlier steps.

    Arguments: shape of the corpus; units, layers, heads, dropout on the inputs.
    References: Vaswani et al. 2017, "Attention is all you need".
    """

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

    def features(self, batch: SequenceBatch) -> Tensor:
        before_BTU = torch.cat([self.start.expand(len(batch.x), 1, -1), self.emission.embed(batch.x[:, :-1])], 1)
        inputs_BTU = self.dropout(before_BTU + self.positions(position_codes(batch.mask_BT, self.max_length)))
        steps = batch.x.shape[1]
        later_TT = torch.ones(steps, steps, dtype=torch.bool, device=batch.x.device).triu(1)
        features_BTU: Tensor = self.body(inputs_BTU, mask=later_TT)
        return features_BTU

    def stepper(self, mask_BT: Tensor) -> Stepper:
        positions_TBU = iter(self.positions(position_codes(mask_BT, self.max_length)).unbind(1))
        attended: list[Tensor | None] = [None] * len(self.body.layers)

        def step(before: Tensor | None) -> Tensor:
            before_BU = self.start.expand(len(mask_BT), -1) if before is None else self.emission.embed(before)
            return self._next(before_BU + next(positions_TBU), attended)

        return step

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
