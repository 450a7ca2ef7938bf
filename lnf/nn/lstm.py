"""Stacked LSTMs, one- or two-directional, whose first layer also takes a position code.

Axes: B batch, T time, I inputs, U units, D directions, G = 4 U gates.
"""

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from lnf.nn.dropout import Dropout
from lnf.nn.linear import linear
from lnf.nn.positions import PositionTable, shared_codes
from lnf.nn.recurrence import Layout, lstm_cell, lstm_layer


class LSTMLayer(nn.Module):
    """One layer with PyTorch's gates and two bias vectors, all directions in one tensor.

    Arguments: inputs I, units U, directions D (the second runs backward in time).
    All entries start from U(+-1/sqrt(U)).
    """

    def __init__(self, inputs: int, units: int, directions: int = 1) -> None:
        super().__init__()
        bound = 1 / math.sqrt(units)
        self.units = units
        self.weight_ih = nn.Parameter(torch.empty(directions, 4 * units, inputs).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(directions, 4 * units, units).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(directions, 4 * units).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(directions, 4 * units).uniform_(-bound, bound))

    def base(self, steps: int, position_TLX: Tensor | None = None) -> Tensor:
        """The inputs of the gates other than x and h, [D, T, L, G]: biases and position, [T, L, D * G] of L lengths."""
        bias_DG = self.bias_ih + self.bias_hh
        bias_DTLG: Tensor = bias_DG[:, None, None].expand(-1, steps, -1, -1)
        if position_TLX is None:
            return bias_DTLG
        position_DTLG: Tensor = position_TLX.unflatten(-1, bias_DG.shape).permute(2, 0, 1, 3)
        base_DTLG: Tensor = position_DTLG + bias_DTLG
        return base_DTLG

    def forward(self, x_TNI: Tensor, base_DTLG: Tensor, state: tuple[Tensor, Tensor], layout: Layout) -> Tensor:
        """Outputs [T, N, D * U] from the state (h, c) [D, N, U]."""
        return lstm_layer(x_TNI, self.weight_ih, self.weight_hh, base_DTLG, state, layout)

    def project(self, x: Tensor) -> Tensor:
        """Inputs [..., I] to the input's share of the gates, biases included, [..., D * G]."""
        bias = (self.bias_ih + self.bias_hh).flatten()
        return linear(x, self.weight_ih.flatten(0, 1), bias)


HELD = 28
"""Numbers that a layer holds for each unit of a step: gates and activations of two directions (16), cell and output
(8), inputs (4)."""


@dataclass(frozen=True)
class State:
    """Output h and cell c of every layer of a one-directional stack, a list of [B, U] each."""

    h: list[Tensor]
    c: list[Tensor]


class LSTM(nn.Module):
    """A one-directional stack; the position code enters the first layer.

    Arguments: inputs I (without the position), units U, layers, max_length M, dropout between layers.
    """

    def __init__(self, inputs: int, units: int, layers: int, max_length: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.units = units
        self.position = _position_table(max_length, units, directions=1)
        self.layers = nn.ModuleList(LSTMLayer(inputs if n == 0 else units, units) for n in range(layers))
        self.dropout = Dropout(dropout)

    def zero_state(self, like_BX: Tensor) -> State:
        """The all-zero state for a batch."""
        zeros = [like_BX.new_zeros(like_BX.shape[0], layer.units) for layer in self._layers()]
        return State(zeros, zeros)

    def forward(self, x_BTI: Tensor, codes_BT2: Tensor, state: State) -> Tensor:
        """Top-layer outputs [B, T, U] after consuming x_0..x_t, from `state`."""
        shared = shared_codes(codes_BT2)
        layout = Layout(shared.length_B, None)
        h_TBU = x_BTI.transpose(0, 1)
        for n, layer in enumerate(self._layers()):
            base_DTLG = layer.base(len(h_TBU), self.position(shared.codes_TL2) if n == 0 else None)
            x_TBI = h_TBU if n == 0 else self.dropout(h_TBU)
            h_TBU = layer(x_TBI, base_DTLG, (state.h[n][None], state.c[n][None]), layout)
        return h_TBU.transpose(0, 1)

    def step(self, x_BI: Tensor, position_BG: Tensor, state: State) -> State:
        """The state after one more input; `position_BG` is `self.position` of its code. The top output is h[-1]."""
        h, c = list(state.h), list(state.c)
        for n, layer in enumerate(self._layers()):
            gates_BG = layer.project(x_BI) + position_BG if n == 0 else layer.project(self.dropout(h[n - 1]))
            h[n], c[n] = lstm_cell(gates_BG + linear(state.h[n], layer.weight_hh[0]), state.c[n])
        return State(h, c)

    def _layers(self) -> list[LSTMLayer]:
        return [cast(LSTMLayer, layer) for layer in self.layers]


class BiLSTM(nn.Module):
    """A two-directional stack from zero states; each layer reads both directions of the layer below.

    Arguments: inputs I (without the position), units U, layers, max_length M, dropout (on every layer's inputs).
    """

    def __init__(self, inputs: int, units: int, layers: int, max_length: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.units = units
        self.position = _position_table(max_length, units, directions=2)
        self.layers = nn.ModuleList(
            LSTMLayer(inputs if n == 0 else 2 * units, units, directions=2) for n in range(layers)
        )
        self.dropout = Dropout(dropout)

    def forward(self, x_BTI: Tensor, codes_BT2: Tensor, mask_BT: Tensor) -> Tensor:
        """Top-layer outputs [B, T, 2 U], forward then backward direction. Padding comes after the real steps of either
        direction, meets no output but its own, and may hold anything finite.
        """
        shared = shared_codes(codes_BT2)
        reversal_TB = _reversal_within_length(mask_BT)
        layout = Layout(shared.length_B, _rows(reversal_TB).flatten())
        ahead, back = self.position(shared.codes_TL2).chunk(2, dim=-1)
        position_TLX = torch.cat([ahead, _reorder(back, reversal_TB[:, shared.row_L])], dim=-1)
        h_TBU = x_BTI.transpose(0, 1)
        for n, layer in enumerate(cast(LSTMLayer, layer) for layer in self.layers):
            base_DTLG = layer.base(len(h_TBU), position_TLX if n == 0 else None)
            zeros_DBU = h_TBU.new_zeros(2, h_TBU.shape[1], layer.units)
            h_TBU = layer(self.dropout(h_TBU), base_DTLG, (zeros_DBU, zeros_DBU), layout)
        return h_TBU.transpose(0, 1)


def _position_table(max_length: int, units: int, directions: int) -> PositionTable:
    table = PositionTable(max_length, directions * 4 * units)
    bound = 1 / math.sqrt(units)
    nn.init.uniform_(table.weight, -bound, bound)
    return table


def _reversal_within_length(mask_BT: Tensor) -> Tensor:
    """Time indices [T, B] that reverse each sequence within its own length and leave its padding in place."""
    steps_T1 = torch.arange(mask_BT.shape[1], device=mask_BT.device)[:, None]
    lengths_B = mask_BT.sum(1)
    return torch.where(steps_T1 < lengths_B, lengths_B - 1 - steps_T1, steps_T1)


def _rows(index_TB: Tensor) -> Tensor:
    """Which row of T * B an index of steps picks, [T, B]."""
    return index_TB * index_TB.shape[1] + torch.arange(index_TB.shape[1], device=index_TB.device)


def _reorder(x_TBX: Tensor, index_TB: Tensor) -> Tensor:
    reordered: Tensor = _Reorder.apply(x_TBX, index_TB)  # type: ignore[no-untyped-call]
    return reordered


class _Reorder(torch.autograd.Function):
    """Pick steps by an index that is its own inverse, so that the gradient is the same look-up and no scatter."""

    @staticmethod
    def forward(ctx: Any, x_TBX: Tensor, index_TB: Tensor) -> Tensor:
        ctx.save_for_backward(index_TB)
        return x_TBX.flatten(0, 1).index_select(0, _rows(index_TB).flatten()).view(x_TBX.shape)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (index_TB,) = ctx.saved_tensors
        return _reorder(grads[0], index_TB), None
