"""AF in time with causal self-attention in place of the LSTM (Vaswani et al. 2017)."""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from lnf.flows.base import HiddenFactory, Prior
from lnf.nn.dropout import Dropout
from lnf.nn.linear import Linear
from lnf.nn.positions import PositionTable, position_codes

Cache = list[tuple[Tensor, Tensor]]
"""Keys and values [B, heads, t, U / heads] of each layer, of the steps so far."""


class AttentiveTime(Prior):
    """z_t <-> e_t given z_{<t} by self-attention: density parallel in time, sampling sequential, with the keys and
    values of earlier steps kept.

    Arguments: factory of the flow within a step, latent size H, longest length M, units U, layers, dropout.
    Options: `heads`; `width`, units in place of U; `feed`, units of the network of each layer (if not given, twice as
        many).
    References: Vaswani et al. 2017, "Attention is all you need"; the norm comes before each part (Xiong et al. 2020).
    """

    def __init__(
        self,
        hidden: HiddenFactory,
        latent: int,
        max_length: int,
        units: int = 500,
        layers: int = 2,
        dropout: float = 0.2,
        *,
        heads: int = 4,
        width: int = 0,
        feed: int = 0,
    ) -> None:
        super().__init__(latent)
        self.max_length = max_length
        units = width or units
        feed = feed or 2 * units
        self.input = Linear(latent, units, bias=False)
        self.positions = PositionTable(max_length, units)
        nn.init.normal_(self.positions.weight, std=0.1)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(_AttentionLayer(units, heads, feed, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(units)
        self.flow = hidden(latent=latent, context=units)

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        before_BTH = torch.cat([torch.zeros_like(z_BTH[:, :1]), z_BTH[:, :-1]], 1)
        x_BTU = self.dropout(self.input(before_BTH) + self.positions(position_codes(mask_BT, self.max_length)))
        for layer in self.layers:
            x_BTU = layer(x_BTU)
        return self.flow.to_noise(z_BTH, self.dropout(self.norm(x_BTU)))

    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        vectors, log_dets = [torch.zeros_like(e_BTH[:, 0])], []
        cache: Cache = []
        for e_BH, position_BU in zip(e_BTH.unbind(1), self._positions(mask_BT), strict=True):
            x_B1U = self.dropout(self.input(vectors[-1]) + position_BU)[:, None]
            for n, layer in enumerate(self.layers):
                x_B1U = cast(_AttentionLayer, layer).step(x_B1U, cache, n)
            z_BH, log_det_B = self.flow.to_latent(e_BH, self.dropout(self.norm(x_B1U[:, 0])))
            vectors.append(z_BH)
            log_dets.append(log_det_B)
        return torch.stack(vectors[1:], 1), torch.stack(log_dets, 1)

    def _positions(self, mask_BT: Tensor) -> Iterator[Tensor]:
        positions_BTU: Tensor = self.positions(position_codes(mask_BT, self.max_length))
        yield from positions_BTU.unbind(1)


class _AttentionLayer(nn.Module):
    """Self-attention to earlier steps and oneself, then two linear maps, each added to its input."""

    def __init__(self, units: int, heads: int, feed: int, dropout: float) -> None:
        super().__init__()
        if units % heads:
            raise ValueError(f"{units} units for {heads} heads: a multiple of {heads} would be right")
        self.heads = heads
        self.norm, self.norm_feed = nn.LayerNorm(units), nn.LayerNorm(units)
        self.queries, self.keys, self.values = (Linear(units, units, bias=False) for _ in range(3))
        self.joined = Linear(units, units)
        self.widened, self.narrowed = Linear(units, feed), Linear(feed, units)
        self.dropout = Dropout(dropout)

    def forward(self, x_BTU: Tensor) -> Tensor:
        """All steps at once, [B, T, U]."""
        q, k, v = self._heads_of(x_BTU)
        return self._fed(x_BTU, scaled_dot_product_attention(q, k, v, is_causal=True))

    def step(self, x_B1U: Tensor, cache: Cache, layer: int) -> Tensor:
        """The next step alone, [B, 1, U]; its keys and values are added to the cache of this layer."""
        q, k, v = self._heads_of(x_B1U)
        if layer < len(cache):
            k, v = (torch.cat(pair, 2) for pair in zip(cache[layer], (k, v), strict=True))
            cache[layer] = (k, v)
        else:
            cache.append((k, v))
        return self._fed(x_B1U, scaled_dot_product_attention(q, k, v))

    def _heads_of(self, x_BTU: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [B, heads, T, U / heads]."""
        normed_BTU = self.norm(x_BTU)
        q, k, v = (
            part(normed_BTU).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.queries, self.keys, self.values)
        )
        return q, k, v

    def _fed(self, x_BTU: Tensor, attended: Tensor) -> Tensor:
        x_BTU = x_BTU + self.dropout(self.joined(attended.transpose(1, 2).flatten(-2)))
        fed_BTU: Tensor = self.dropout(self.narrowed(self.widened(self.norm_feed(x_BTU)).relu()))
        return x_BTU + fed_BTU
