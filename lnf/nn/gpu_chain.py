"""The chain through time on a GPU: a step is a product and a fused cell, and a piece of some steps is a recording.

A step of few rows keeps a GPU busy for microseconds; started one by one from Python, its operations take longer to
start than to run. The steps of a piece are recorded as a CUDA graph (`lnf.nn.recording`) and started together.

Axes as in `lnf.nn.chain`, with C first; R = D * N rows.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from lnf.nn.chain import Chain, shifted, slices
from lnf.nn.recording import recorded

PIECE = 16
"""Steps of a recording."""
STRETCH_BYTES = 256 * 2**20
"""Of gates in a stretch: enough to fill a GPU with what is done for all of its steps at once."""


class GPUChain(Chain):
    """See `Chain`. Only a last stretch, whose later state nobody reads, may end within a piece."""

    @staticmethod
    def stretches(steps: int, bytes_a_step: int) -> Iterator[slice]:
        return slices(steps, PIECE * max(1, STRETCH_BYTES // bytes_a_step // PIECE))

    @staticmethod
    def run(
        act_DCNG: Tensor, c_DCNU: Tensor, h_DCNU: Tensor, state: tuple[Tensor, Tensor], recurrent_DUG: Tensor
    ) -> tuple[Tensor, Tensor]:
        h, c = state
        for piece in slices(act_DCNG.shape[1], PIECE):
            found = recorded(ahead, PIECE, act_DCNG[:, piece].transpose(0, 1), h, c, recurrent_DUG)
            for target, values in zip((act_DCNG, c_DCNU, h_DCNU), found, strict=True):
                target[:, piece] = values[: piece.stop - piece.start].transpose(0, 1)
            h, c = h_DCNU[:, piece.stop - 1], c_DCNU[:, piece.stop - 1]
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
        h_DCNU = act_DCNG[..., -c_DCNU.shape[-1] :] * c_DCNU.tanh()
        h_before, c_before = (shifted(one, all_) for one, all_ in zip(before, (h_DCNU, c_DCNU), strict=True))
        d_DCNG = torch.empty_like(act_DCNG, memory_format=torch.contiguous_format)
        for piece in reversed(list(slices(act_DCNG.shape[1], PIECE))):
            steps = (part[:, piece].transpose(0, 1) for part in (act_DCNG, c_DCNU, c_before))
            d_CDNG, *d_new = recorded(back, PIECE, *steps, grad_CDNU[piece], *d_state, recurrent_DGU)
            d_DCNG[:, piece] = d_CDNG[: piece.stop - piece.start].transpose(0, 1)
            for carried, new in zip(d_state, d_new, strict=True):
                carried.copy_(new)
        return d_DCNG, h_before


def ahead(gates_CDNG: Tensor, h_DNU: Tensor, c_DNU: Tensor, recurrent_DUG: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Activations, c and h of some steps [C, D, N, ...] from the inputs' gates and the state before them."""
    steps = []
    for gates_DNG in gates_CDNG.contiguous().unbind():
        product_DNG = torch.bmm(h_DNU.to(recurrent_DUG.dtype), recurrent_DUG).to(h_DNU.dtype)
        h_RU, c_RU, act_RG = fused_cell(*(x.flatten(0, 1) for x in (gates_DNG, product_DNG, c_DNU)))
        h_DNU, c_DNU = h_RU.view_as(h_DNU), c_RU.view_as(c_DNU)
        steps.append((act_RG.view_as(gates_DNG), c_DNU, h_DNU))
    act, c, h = (torch.stack(parts) for parts in zip(*steps, strict=True))
    return act, c, h


def back(
    act_CDNG: Tensor,
    c_CDNU: Tensor,
    c_before_CDNU: Tensor,
    grad_CDNU: Tensor,
    d_h_DNU: Tensor,
    d_c_DNU: Tensor,
    recurrent_DGU: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of some steps' gates [C, D, N, G], and of the h and c before them."""
    gates = []
    before = [x.contiguous().flatten(1, 2) for x in (c_before_CDNU, c_CDNU, act_CDNG)]
    for step in reversed(range(len(act_CDNG))):
        d_h_DNU = grad_CDNU[step] + d_h_DNU
        d_RG, d_c_RU = fused_cell_back(d_h_DNU.flatten(0, 1), d_c_DNU.flatten(0, 1), *(x[step] for x in before))
        d_DNG, d_c_DNU = d_RG.view_as(act_CDNG[step]), d_c_RU.view_as(d_c_DNU)
        d_h_DNU = torch.bmm(d_DNG.to(recurrent_DGU.dtype), recurrent_DGU)
        gates.append(d_DNG)
    return torch.stack(gates[::-1]), d_h_DNU.to(d_c_DNU.dtype), d_c_DNU


def fused_cell(gates_RG: Tensor, product_RG: Tensor, c_RU: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(h, c, activations) of the sum of two shares of the gates: PyTorch's own, which only GPUs have."""
    h_RU, c_RU, act_RG = torch.ops.aten._thnn_fused_lstm_cell(gates_RG, product_RG, c_RU)
    return h_RU, c_RU, act_RG


def fused_cell_back(
    d_h_RU: Tensor, d_c_RU: Tensor, c_before_RU: Tensor, c_RU: Tensor, act_RG: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of the gates and of the c before, likewise."""
    d_RG, d_c_RU, _ = torch.ops.aten._thnn_fused_lstm_cell_backward_impl(
        d_h_RU, d_c_RU, c_before_RU, c_RU, act_RG, False
    )
    return d_RG, d_c_RU
