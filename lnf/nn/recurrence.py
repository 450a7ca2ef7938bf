"""One LSTM layer over all steps of a batch, one- or two-directional, with a hand-written backward pass.

Only the chain through time is a loop, which each kind of device runs in its own way (`lnf.nn.chain`). All else is done
for a stretch of steps at once, few enough that a CPU's loop finds in the caches what was just written there. Gates and
cells are kept for the way back, once; the gradient of the gates lives as long as its stretch.

Axes: T time, D directions (1, or 2 side by side), N batch rows, I inputs, U units, G = 4 U gates in PyTorch's order
i, f, g, o, L distinct lengths, C steps of a stretch. Each direction counts steps in its own order of time.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lnf.nn.chain import Chain, CPUChain
from lnf.nn.gpu_chain import GPUChain
from lnf.nn.linear import add_product, product_dtype


def lstm_cell(gates_NG: Tensor, c_NU: Tensor) -> tuple[Tensor, Tensor]:
    """One step from full pre-activations: new output h and new cell state c, [N, U] each (any leading axes)."""
    i, f, g, o = gates_NG.chunk(4, dim=-1)
    c = torch.sigmoid(f) * c_NU + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


@dataclass(frozen=True)
class Layout:
    """Which row of the inputs is where.

    length_N: which of the L distinct lengths a row has. order_R: the row of x, of T * N, that the second direction
    meets at each of its steps; a permutation that is its own inverse; None if there is one direction.
    """

    length_N: Tensor
    order_R: Tensor | None

    def same_length(self, lengths: int) -> Tensor:
        """Whether a row has the l-th length, [L, N]; of one length that all rows share, all have it."""
        if lengths == 1:
            return torch.ones_like(self.length_N)[None]
        return torch.nn.functional.one_hot(self.length_N, lengths).T

    def directed(self, x_TNX: Tensor, direction: int, steps: slice) -> Tensor:
        """The rows of a stretch as a direction meets them, [C * N, X]."""
        rows = slice(steps.start * x_TNX.shape[1], steps.stop * x_TNX.shape[1])
        flat = x_TNX.flatten(0, 1)
        return flat[rows] if direction == 0 else flat.index_select(0, self._order(rows))

    def place(self, target_TNX: Tensor, direction: int, steps: slice, rows_RX: Tensor) -> None:
        """Write the rows of a stretch of a direction, [C * N, X], where they belong in time."""
        rows = slice(steps.start * target_TNX.shape[1], steps.stop * target_TNX.shape[1])
        flat = target_TNX.flatten(0, 1)
        if direction == 0:
            flat[rows] = rows_RX
        else:
            flat.index_copy_(0, self._order(rows), rows_RX)

    def add(self, target_TNX: Tensor, direction: int, steps: slice, rows_RX: Tensor) -> None:
        """Add the rows of a stretch of a direction, [C * N, X], where they belong in time."""
        self.place(target_TNX, direction, steps, self.directed(target_TNX, direction, steps) + rows_RX)

    def _order(self, rows: slice) -> Tensor:
        assert self.order_R is not None, "a second direction needs the order of its steps"
        return self.order_R[rows]


def lstm_layer(
    x_TNI: Tensor,
    weight_ih_DGI: Tensor,
    weight_hh_DGU: Tensor,
    base_DTLG: Tensor,
    state: tuple[Tensor, Tensor],
    layout: Layout,
) -> Tensor:
    """Outputs h [T, N, D U], in the order of time, from the state (h, c) [D, N, U].

    Gates are W_ih x + W_hh h + base, the base (bias and position) being one for all rows of a length. Products are
    taken in `product_dtype`, all else in the dtype of the weights.
    """
    x_TNI = x_TNI.to(weight_hh_DGU.dtype)
    settings = (layout, product_dtype(x_TNI), torch.is_grad_enabled())
    with torch.autocast(x_TNI.device.type, enabled=False):
        outputs: Tensor = _Layer.apply(settings, x_TNI, weight_ih_DGI, weight_hh_DGU, base_DTLG, *state)  # type: ignore[no-untyped-call]
    return outputs


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, settings: Any, x: Tensor, weight_ih: Tensor, weight_hh: Tensor, base: Tensor, h: Tensor, c: Tensor
    ) -> Tensor:
        layout, products, kept = settings
        x = x.contiguous()
        (steps, rows, _), (directions, gates, units) = x.shape, weight_hh.shape
        chain = _chain(x)
        stretches = list(chain.stretches(steps, directions * rows * gates * x.element_size()))
        room = steps if kept else stretches[0].stop
        act_DTNG, c_DTNU = x.new_empty(directions, room, rows, gates), x.new_empty(directions, room, rows, units)
        h_DCNU = x.new_empty(directions, stretches[0].stop, rows, units)
        out_TNX = x.new_empty(steps, rows, directions * units)
        to_gates_DIG, recurrent_DUG = (weight.to(products).transpose(1, 2) for weight in (weight_ih, weight_hh))
        recurrent_DUG = recurrent_DUG.contiguous()
        first = (h, c)
        for span in stretches:
            here = span if kept else slice(0, span.stop - span.start)
            act_DCNG = act_DTNG[:, here]
            for direction, act_CNG in enumerate(act_DCNG):
                _spread(base[direction, span], layout.length_N, act_CNG)
                add_product(act_CNG.flatten(0, 1), layout.directed(x, direction, span), to_gates_DIG[direction])
            h, c = chain.run(act_DCNG, c_DTNU[:, here], h_DCNU, (h, c), recurrent_DUG)
            for direction in range(directions):
                rows_RU = h_DCNU[direction, : span.stop - span.start].flatten(0, 1)
                layout.place(out_TNX.unflatten(2, (directions, units))[:, :, direction], direction, span, rows_RU)
        if kept:
            ctx.save_for_backward(x, weight_ih, weight_hh, *first, act_DTNG, c_DTNU)
            ctx.layout, ctx.products, ctx.lengths = layout, products, base.shape[2]
        return out_TNX

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight_ih, weight_hh, h0, c0, act_DTNG, c_DTNU = ctx.saved_tensors
        layout = ctx.layout
        directions, steps, rows, gates = act_DTNG.shape
        grad_TNDU = grads[0].contiguous().unflatten(2, (directions, -1))
        d_x, d_ih, d_hh = torch.zeros_like(x), torch.zeros_like(weight_ih), torch.zeros_like(weight_hh)
        d_base = x.new_empty(directions, steps, ctx.lengths, gates)
        from_gates_DGI, recurrent_DGU = weight_ih.to(ctx.products), weight_hh.to(ctx.products)
        same_length_LN = layout.same_length(ctx.lengths).to(x)
        d_h, d_c = torch.zeros_like(h0), torch.zeros_like(c0)
        chain = _chain(x)
        for span in reversed(list(chain.stretches(steps, directions * rows * gates * x.element_size()))):
            before = _before(act_DTNG, c_DTNU, span.start, (h0, c0))
            grad_CDNU = torch.stack(
                [layout.directed(grad_TNDU[:, :, n], n, span).unflatten(0, (-1, rows)) for n in range(directions)], 1
            )
            d_gates_DCNG, h_before_DCNU = chain.run_back(
                act_DTNG[:, span], c_DTNU[:, span], before, grad_CDNU, (d_h, d_c), recurrent_DGU
            )
            torch.matmul(same_length_LN, d_gates_DCNG, out=d_base[:, span])
            d_rows_DRG = d_gates_DCNG.flatten(1, 2).to(ctx.products)
            add_product(d_hh, d_rows_DRG.transpose(1, 2), h_before_DCNU.flatten(1, 2).to(ctx.products))
            for direction, d_rows_RG in enumerate(d_rows_DRG):
                x_RI = layout.directed(x, direction, span).to(ctx.products)
                add_product(d_ih[direction], d_rows_RG.T, x_RI)
                layout.add(d_x, direction, span, d_rows_RG @ from_gates_DGI[direction])
        return None, d_x, d_ih, d_hh, d_base, d_h, d_c


def _chain(x: Tensor) -> type[Chain]:
    return GPUChain if x.is_cuda else CPUChain


def _spread(base_CLG: Tensor, length_N: Tensor, out_CNG: Tensor) -> None:
    """Write to every row what its length has."""
    steps, lengths, _ = base_CLG.shape
    if lengths == 1:
        out_CNG.copy_(base_CLG)
        return
    row_CN = torch.arange(steps, device=length_N.device)[:, None] * lengths + length_N
    torch.index_select(base_CLG.flatten(0, 1), 0, row_CN.flatten(), out=out_CNG.flatten(0, 1))


def _before(act_DTNG: Tensor, c_DTNU: Tensor, start: int, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The (h, c) that a stretch began with."""
    if start == 0:
        return state
    c = c_DTNU[:, start - 1]
    return act_DTNG[:, start - 1, :, -c.shape[-1] :] * c.tanh(), c
