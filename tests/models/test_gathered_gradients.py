"""Gradients gathered after a loop are those that autograd adds up within it."""

import pytest
import torch
from torch import Tensor, nn

from lnf.models.latent import build_prior
from lnf.nn.linear import Linear, gathered_gradients, linear, products_in
from tests.specs import tiny_spec

STEPS, ROWS = 6, 3


class Loop(nn.Module):
    """h_t = tanh(W h_{t-1} + b + V[0] x_t), each weight used once or twice a step."""

    def __init__(self, uses: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.recurrent, self.uses = Linear(4, 4), uses
        self.stacked = nn.Parameter(torch.randn(1, 4, 2))
        self.double()

    def forward(self, x_TNI: Tensor) -> Tensor:
        h, outputs = x_TNI.new_zeros(ROWS, 4), []
        for x in x_TNI:
            for _ in range(self.uses):
                h = torch.tanh(self.recurrent(h) + linear(x, self.stacked[0]))
            outputs.append(h)
        return torch.stack(outputs)


def gradients(loop: Loop, x: Tensor, until: int, gathered: bool) -> list[Tensor]:
    """Of the first `until` outputs, in x and all weights; a pass through fewer of them came before."""
    inputs = [x, *loop.parameters()]
    if gathered:
        with gathered_gradients(STEPS):
            outputs = loop(x)
    else:
        outputs = loop(x)
    torch.autograd.grad(outputs[until - 1].sum(), x, retain_graph=True)
    return list(torch.autograd.grad((outputs[:until] ** 2).sum(), inputs))


@pytest.mark.parametrize("uses", [1, 2])
@pytest.mark.parametrize("until", [2, STEPS])
def test_gathered_gradients_are_the_same(until: int, uses: int) -> None:
    loop, x = Loop(uses), torch.randn(STEPS, ROWS, 2, dtype=torch.float64, requires_grad=True)
    expected, found = (gradients(loop, x, until, gathered) for gathered in (False, True))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_nothing_is_kept_where_no_gradient_is_wanted() -> None:
    loop, x = Loop(1), torch.randn(STEPS, ROWS, 2, dtype=torch.float64)
    with torch.no_grad(), gathered_gradients(STEPS):
        assert not loop(x).requires_grad
    assert torch.equal(loop(x), loop(x))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_prior_that_loops_over_time_gets_the_same_gradients(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    prior = build_prior(tiny_spec("iaf_scf"), 8)
    z_BTH, mask_BT = torch.randn(3, 8, 3), torch.ones(3, 8, dtype=torch.bool)
    found = []
    for gathers in (True, False):
        if not gathers:
            monkeypatch.setattr("lnf.nn.linear._of_a_parameter", lambda weight: False)
        with products_in(precision, torch.device("cpu")):
            log_p = prior.log_prob(z_BTH, mask_BT).sum()
        found.append(torch.cat([grad.flatten() for grad in torch.autograd.grad(log_p, list(prior.parameters()))]))
    close = 1e-5 if precision == "float32" else 0.02
    assert torch.linalg.vector_norm(found[0] - found[1]) < close * torch.linalg.vector_norm(found[1])
