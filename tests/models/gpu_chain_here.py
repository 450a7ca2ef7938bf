"""The chain of GPUs on the CPU: its cell by its definition, its recordings by calls that write where a graph would."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from lnf.nn import gpu_chain, recording, recurrence


def recorded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record a shape at its second call, and nothing of it for later tests."""
    monkeypatch.setattr(recording, "_recordings", {})
    monkeypatch.setattr(recording, "_calls", recording.Counter())
    monkeypatch.setattr(recording, "_POOL", [])
    monkeypatch.setattr(recording, "AFTER", 1)


def chain_of_gpus_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run layers as a GPU would."""
    monkeypatch.setattr(recurrence, "_chain", lambda x: gpu_chain.GPUChain)
    monkeypatch.setattr(gpu_chain, "fused_cell", cell)
    monkeypatch.setattr(gpu_chain, "fused_cell_back", cell_back)
    monkeypatch.setattr(recording, "recordable", lambda x: True)
    monkeypatch.setattr(recording, "capture", calls)


def cell(gates_RG: Tensor, product_RG: Tensor, c_RU: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`fused_cell` as its definition says."""
    i, f, g, o = (gates_RG + product_RG).chunk(4, -1)
    act_RG = torch.cat([i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()], -1)
    h_RU, c_new_RU = recurrence.lstm_cell(gates_RG + product_RG, c_RU)
    return h_RU, c_new_RU, act_RG


def cell_back(
    d_h_RU: Tensor, d_c_RU: Tensor, c_before_RU: Tensor, c_RU: Tensor, act_RG: Tensor
) -> tuple[Tensor, Tensor]:
    """`fused_cell_back` by autograd, from the gates that activations come of."""
    i, f, g, o = act_RG.chunk(4, -1)
    with torch.enable_grad():
        gates_RG = torch.cat([i.logit(), f.logit(), g.atanh(), o.logit()], -1).requires_grad_()
        before_RU = c_before_RU.detach().clone().requires_grad_()
        h_RU, c_new_RU = recurrence.lstm_cell(gates_RG, before_RU)
        total = (h_RU * d_h_RU).sum() + (c_new_RU * d_c_RU).sum()
    d_gates_RG, d_before_RU = torch.autograd.grad(total, (gates_RG, before_RU))
    return d_gates_RG, d_before_RU


def calls(function: recording.Function, inputs: Sequence[Tensor]) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
    """As `capture`: a replay writes to the outputs that are there from the start."""
    outputs = tuple(torch.empty_like(output) for output in function(*inputs))

    def replay() -> None:
        for place, value in zip(outputs, function(*inputs), strict=True):
            place.copy_(value)

    return replay, outputs
