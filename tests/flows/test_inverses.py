"""The compiled inverses of layers within a time step are the plain ones."""

import math
import subprocess
import sys
from typing import Any

import pytest
import torch

from lnf.flows import compiled
from lnf.flows.base import HiddenFlow, Transform
from lnf.flows.hidden import AutoregressiveHidden, CouplingHidden, ElementwiseHidden
from lnf.flows.transforms import Affine, NLSq
from lnf.plan.config import ROOT

ROWS, LATENT, WIDTH, CONTEXT = 7, 5, 13, 4
FLOWS = pytest.mark.parametrize("hidden", [AutoregressiveHidden, CouplingHidden, ElementwiseHidden])


class Own(NLSq):
    """A transform that the kernel does not know."""


def flow_of(hidden: type[HiddenFlow], transform: Transform, dtype: torch.dtype, spread: float) -> HiddenFlow:
    """Layers of both orders, their weights spread, a width that the latent size does not divide."""
    torch.manual_seed(0)
    make: Any = hidden
    flow: HiddenFlow = make(transform, LATENT, CONTEXT, layers=4, width=WIDTH)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(torch.randn_like(parameter) * spread)
    return flow.to(dtype)


def plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "available", lambda: False)


@pytest.mark.parametrize("spread", [0.05, 0.2])
@pytest.mark.parametrize("transform", [NLSq, Affine])
@FLOWS
@torch.no_grad()
def test_it_is_the_plain_inverse(
    hidden: type[HiddenFlow], transform: Transform, spread: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compiled.available(), "numba is among the requirements"
    flow = flow_of(hidden, transform, torch.float64, spread)
    e, context = torch.randn(ROWS, LATENT, dtype=torch.float64) * 3, torch.randn(ROWS, CONTEXT, dtype=torch.float64)
    found = flow.to_latent(e, context)
    plainly(monkeypatch)
    for one, other in zip(found, flow.to_latent(e, context), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@FLOWS
@torch.no_grad()
def test_in_float32_it_is_the_definition_in_float64(hidden: type[HiddenFlow], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one step, given the same context: the kernel computes in float64 whatever the weights are."""
    flow = flow_of(hidden, NLSq, torch.float32, 0.3)
    e, context = torch.randn(ROWS, 2, LATENT), torch.randn(ROWS, 2, CONTEXT)
    z, log_det = flow.to_latent(e, context)
    assert z.dtype == log_det.dtype == torch.float32 and z.shape == e.shape and log_det.shape == e.shape[:-1]
    plainly(monkeypatch)
    wanted, wanted_log_det = flow.double().to_latent(e.double(), context.double())
    torch.testing.assert_close(z.double(), wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(log_det.double(), wanted_log_det, rtol=1e-4, atol=1e-4)


@FLOWS
@torch.no_grad()
def test_it_follows_weights_that_change(hidden: type[HiddenFlow]) -> None:
    flow = flow_of(hidden, NLSq, torch.float64, 0.3)
    e, context = torch.randn(ROWS, LATENT, dtype=torch.float64), torch.randn(ROWS, CONTEXT, dtype=torch.float64)
    flow.to_latent(e, context)
    for parameter in flow.parameters():
        parameter.mul_(1.2)
    z, _ = flow.to_latent(e, context)
    torch.testing.assert_close(flow.to_noise(z, context)[0], e, rtol=1e-9, atol=1e-9)


@FLOWS
def test_a_gradient_or_an_own_transform_has_the_plain_inverse(hidden: type[HiddenFlow]) -> None:
    flow = flow_of(hidden, NLSq, torch.float64, 0.3)
    e = torch.randn(ROWS, LATENT, dtype=torch.float64, requires_grad=True)
    z, _ = flow.to_latent(e, torch.randn(ROWS, CONTEXT, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(z.sum(), e)
    assert gradient.isfinite().all() and gradient.abs().sum() > 0
    with torch.no_grad():
        own, theirs = flow_of(hidden, Own, torch.float64, 0.3), flow_of(hidden, NLSq, torch.float64, 0.3)
        context = torch.randn(ROWS, CONTEXT, dtype=torch.float64)
        torch.testing.assert_close(own.to_latent(e, context)[0], theirs.to_latent(e, context)[0])


@pytest.mark.parametrize("far", [1.0, 1e2, 1e6])
def test_the_scalar_inverse_is_exact(far: float) -> None:
    """Steep, flat and far: the value at the root is the one asked for, to the last bits."""
    from lnf.flows.inverses import nlsq_to_latent

    raw_N5 = torch.randn(2000, 5, dtype=torch.float64) * torch.tensor([far, 2.0, 4.0, 2.0, 5.0])
    e_N = torch.randn(2000, dtype=torch.float64) * far
    for e, raw_5 in zip(e_N.tolist(), raw_N5, strict=True):
        raw = raw_5.tolist()
        y, log_slope = nlsq_to_latent(e, *raw)
        back, slope = NLSq.to_noise(torch.tensor(y, dtype=torch.float64), list(raw_5))
        scale = abs(e) + abs(raw[0]) + math.exp(slope) * abs(y) + 1
        assert abs(back.item() - e) <= 1e-13 * scale and abs(slope.item() + log_slope) < 1e-8


@pytest.mark.processes
def test_who_draws_nothing_does_not_wait_for_numba() -> None:
    code = "import sys, lnf.models.base, lnf.flows.hidden, lnf.flows.hidden; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
