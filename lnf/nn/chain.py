"""The chain through time of an LSTM layer, which must go step by step, and how a CPU runs it: in place, in stretches.

Axes: D directions, C steps of a stretch, N batch rows, U units, G = 4 U gates in PyTorch's order i, f, g, o.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from lnf.nn.linear import add_product

STRETCH_BYTES = 20 * 2**20
"""Of gates in a stretch: what the caches of a current CPU hold next to the weights."""


class Chain(Protocol):
    """How one kind of device runs it."""

    @staticmethod
    def stretches(steps: int, bytes_a_step: int) -> Iterator[slice]:
        """The steps that are taken at once, given the bytes of a step's gates, in order."""

    @staticmethod
    def run(
        act_DCNG: Tensor, c_DCNU: Tensor, h_DCNU: Tensor, state: tuple[Tensor, Tensor], recurrent_DUG: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Through a stretch: inputs' gates become activations in place, c and h are written; the last (h, c)."""

    @staticmethod
    def run_back(
        act_DCNG: Tensor,
        c_DCNU: Tensor,
        before: tuple[Tensor, Tensor],
        grad_CDNU: Tensor,
        d_state: tuple[Tensor, Tensor],
        recurrent_DGU: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The gradient of a stretch's gates [D, C, N, G], and the h that came into each step [D, C, N, U].

        `before` is the (h, c) that the stretch began with; `d_state` (of h, c) is carried in place; `grad_CDNU`, of the
        outputs, may be written over.
        """


def slices(steps: int, size: int) -> Iterator[slice]:
    """Steps 0..steps - 1 in slices of `size`; the last may be shorter."""
    for start in range(0, steps, size):
        yield slice(start, min(start + size, steps))


def shifted(first_DNX: Tensor, x_DCNX: Tensor) -> Tensor:
    """What was there one step before: the first, and all but the last of x."""
    return torch.cat([first_DNX[:, None], x_DCNX[:, :-1]], 1)


class CPUChain(Chain):
    """See `Chain`."""

    @staticmethod
    def stretches(steps: int, bytes_a_step: int) -> Iterator[slice]:
        return slices(steps, max(1, STRETCH_BYTES // bytes_a_step))

    @staticmethod
    def run(
        act_DCNG: Tensor, c_DCNU: Tensor, h_DCNU: Tensor, state: tuple[Tensor, Tensor], recurrent_DUG: Tensor
    ) -> tuple[Tensor, Tensor]:
        units = c_DCNU.shape[-1]
        i, f, g, o = act_DCNG.split(units, dim=-1)
        h, c = state
        for act, both, i_t, f_t, g_t, o_t, c_t, h_t in zip(
            *(part.unbind(1) for part in (act_DCNG, act_DCNG[..., : 2 * units], i, f, g, o, c_DCNU)),
            h_DCNU.unbind(1),
            strict=False,  # the last stretch may be shorter than the room for h
        ):
            add_product(act, h, recurrent_DUG)
            both.sigmoid_(), g_t.tanh_(), o_t.sigmoid_()
            torch.mul(f_t, c, out=c_t).addcmul_(i_t, g_t)
            torch.tanh(c_t, out=h_t).mul_(o_t)
            h, c = h_t, c_t
        return h, c

    @staticmethod
    def run_back(
        act_DCNG: Tensor,
        c_DCNU: Tensor,
        before: tuple[Tensor, Tensor],
        grad_CDNU: Tensor,
        d_state: tuple[Tensor, Tensor],
        recurrent_DGU: Tensor,
    ) -> tuple[Tensor, Tensor]:
        # d gate = d_c * into_cell (i, f, g) or d_h * into_output (o); d_c += d_h * through_output
        units = c_DCNU.shape[-1]
        i, f, g, o = act_DCNG.split(units, dim=-1)
        tanh_c = c_DCNU.tanh()
        h = o * tanh_c
        h_before, c_before = (shifted(one, all_) for one, all_ in zip(before, (h, c_DCNU), strict=True))
        d_DCNG = torch.empty_like(act_DCNG, memory_format=torch.contiguous_format)
        into_i, into_f, into_g, into_o = d_DCNG.split(units, dim=-1)
        torch.addcmul(i, i, i, value=-1, out=into_i).mul_(g)
        torch.addcmul(f, f, f, value=-1, out=into_f).mul_(c_before)
        torch.addcmul(i, i * g, g, value=-1, out=into_g)
        torch.addcmul(o, o, o, value=-1, out=into_o).mul_(tanh_c)
        through_output = torch.addcmul(o, h, tanh_c, value=-1)
        into_cell = d_DCNG[..., : 3 * units].unflatten(-1, (3, units))
        d_h, d_c = d_state
        grad_CDNU[-1] += d_h
        grads = [d_h.zero_(), *grad_CDNU]
        steps = zip(*(part.unbind(1) for part in (d_DCNG, into_cell, into_o, f, through_output)), strict=True)
        for n, (d, cell, output, f_t, through) in reversed(list(enumerate(steps))):
            d_c.addcmul_(grads[n + 1], through)
            cell.mul_(d_c.unsqueeze(-2)), output.mul_(grads[n + 1])
            d_c.mul_(f_t)
            add_product(grads[n], d, recurrent_DGU)
        return d_DCNG, h_before
