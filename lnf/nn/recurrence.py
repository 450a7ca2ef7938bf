"""The LSTM recurrence over precomputed input projections, with a hand-written backward pass.

Everything that does not depend on the former step is left to the caller as one large product. The backward pass does
the same: only the chain through time is a loop, the gradient of the recurrent weights is one product over all steps.

Axes: T time, D directions (1 or 2, run side by side), N batch, U units, G = 4 U gates in PyTorch's order i, f, g, o.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def lstm_cell(gates_NG: Tensor, c_NU: Tensor) -> tuple[Tensor, Tensor]:
    """One step from full pre-activations: new output h and new cell state c, [N, U] each (any leading axes)."""
    i, f, g, o = gates_NG.chunk(4, dim=-1)
    c = torch.sigmoid(f) * c_NU + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def lstm_recurrence(gates_TDNG: Tensor, weight_DGU: Tensor, h0_DNU: Tensor, c0_DNU: Tensor) -> Tensor:
    """Outputs h [T, D, N, U] of gates_t + W h_{t-1} run through the cell, from the state (h0, c0)."""
    outputs: Tensor = _Recurrence.apply(gates_TDNG, weight_DGU, h0_DNU, c0_DNU)  # type: ignore[no-untyped-call]
    return outputs


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates_TDNG: Tensor, weight_DGU: Tensor, h0: Tensor, c0: Tensor) -> Tensor:
        units = weight_DGU.shape[-1]
        shape = (*gates_TDNG.shape[:-1], units)
        act_TDNG = torch.empty_like(gates_TDNG, memory_format=torch.contiguous_format)
        c_TDNU, tanh_c_TDNU, h_TDNU = (gates_TDNG.new_empty(shape) for _ in range(3))
        recurrent_DUG = weight_DGU.transpose(1, 2).contiguous()
        h, c = h0, c0
        for gates, act, i, f, g, o, c_new, tanh_c, h_new in zip(
            gates_TDNG.unbind(),
            act_TDNG.unbind(),
            *(part.unbind() for part in act_TDNG.split(units, dim=-1)),
            c_TDNU.unbind(),
            tanh_c_TDNU.unbind(),
            h_TDNU.unbind(),
            strict=True,
        ):
            torch.baddbmm(gates, h, recurrent_DUG, out=act)
            i.sigmoid_(), f.sigmoid_(), g.tanh_(), o.sigmoid_()
            torch.mul(f, c, out=c_new).addcmul_(i, g)
            torch.tanh(c_new, out=tanh_c)
            torch.mul(o, tanh_c, out=h_new)
            h, c = h_new, c_new
        ctx.save_for_backward(act_TDNG, c_TDNU, tanh_c_TDNU, h_TDNU, weight_DGU, h0, c0)
        return h_TDNU

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        act_TDNG, c_TDNU, tanh_c_TDNU, h_TDNU, weight_DGU, h0, c0 = ctx.saved_tensors
        (grad_TDNU,) = grads
        steps, directions, batch, units = h_TDNU.shape
        i, f, g, o = act_TDNG.split(units, dim=-1)
        c_before = torch.cat([c0[None], c_TDNU[:-1]])
        # d gate = dc * into_cell (i, f, g) or dh * into_output (o); dc += dh * through_output
        into_cell = torch.stack([g * i * (1 - i), c_before * f * (1 - f), i * (1 - g * g)], dim=-2)
        into_output = tanh_c_TDNU * o * (1 - o)
        through_output = o * (1 - tanh_c_TDNU * tanh_c_TDNU)
        d_gates = torch.empty_like(act_TDNG)
        d_cell_gates = d_gates[..., : 3 * units].unflatten(-1, (3, units))
        d_output_gate = d_gates[..., 3 * units :]
        dc = torch.zeros_like(c0)
        dh = grad_TDNU[-1]
        for t in range(steps - 1, -1, -1):
            dc = torch.addcmul(dc, dh, through_output[t])
            torch.mul(dc.unsqueeze(-2), into_cell[t], out=d_cell_gates[t])
            torch.mul(dh, into_output[t], out=d_output_gate[t])
            dc = dc * f[t]
            dh = torch.bmm(d_gates[t], weight_DGU)
            if t > 0:
                dh += grad_TDNU[t - 1]
        h_before = torch.cat([h0[None], h_TDNU[:-1]])
        rows_DRG = d_gates.transpose(0, 1).reshape(directions, steps * batch, 4 * units)
        rows_DRU = h_before.transpose(0, 1).reshape(directions, steps * batch, units)
        return d_gates, rows_DRG.transpose(1, 2) @ rows_DRU, dh, dc
