"""Scalar transforms beyond the paper: against zuko, against autograd, and there and back."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from zuko.transforms import MonotonicRQSTransform

from beyond import logistics
from beyond.logistics import MixtureOfLogistics
from beyond.splines import RationalQuadraticSpline

TRANSFORMS = {
    "spline": RationalQuadraticSpline(bins=6, bound=3.0),
    "two bins": RationalQuadraticSpline(bins=2),
    "logistics": MixtureOfLogistics(components=3),
    "one logistic": MixtureOfLogistics(components=1),
}
POINTS = 500


@pytest.fixture(params=TRANSFORMS)
def transform(request: pytest.FixtureRequest) -> RationalQuadraticSpline | MixtureOfLogistics:
    return TRANSFORMS[request.param]


def drawn(parameters: int, points: int = POINTS, wide: float = 1.0) -> tuple[Tensor, Sequence[Tensor]]:
    """Points far inside and outside of what a net would see, and raw parameters."""
    y, *raw = torch.randn(
        1 + parameters, points, dtype=torch.float64, generator=torch.Generator().manual_seed(parameters)
    )
    return 4 * y, [wide * one for one in raw]


@pytest.mark.parametrize("bins", [2, 5, 16])
def test_the_spline_is_zukos(bins: int) -> None:
    spline = RationalQuadraticSpline(bins=bins, bound=5.0)
    y, raw = drawn(spline.parameters, wide=2.0)
    widths, heights, slopes = torch.stack(list(raw[2:]), -1).split([bins, bins, bins - 1], -1)
    theirs, log_slope = MonotonicRQSTransform(widths, heights, slopes, bound=5.0).call_and_ladj(y)
    ours, our_log_slope = spline.to_noise(y, [torch.zeros_like(y), torch.zeros_like(y), *raw[2:]])
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    torch.testing.assert_close(our_log_slope, log_slope, atol=1e-6, rtol=0)


def test_there_and_back(transform: RationalQuadraticSpline | MixtureOfLogistics) -> None:
    y, raw = drawn(transform.parameters)
    e, log_slope = transform.to_noise(y.requires_grad_(), raw)
    back, log_slope_back = transform.to_latent(e.detach(), raw)
    torch.testing.assert_close(back, y.detach())
    torch.testing.assert_close(log_slope_back, -log_slope.detach())
    torch.testing.assert_close(torch.autograd.grad(e.sum(), y)[0].log(), log_slope.detach())


def test_raw_zeros_are_the_identity(transform: RationalQuadraticSpline | MixtureOfLogistics) -> None:
    y, raw = drawn(transform.parameters)
    e, log_slope = transform.to_noise(y, [torch.zeros_like(one) for one in raw])
    torch.testing.assert_close(e, y)
    torch.testing.assert_close(log_slope, torch.zeros_like(y))


def test_gradients_of_the_inverse_are_those_of_the_implicit_function(
    transform: RationalQuadraticSpline | MixtureOfLogistics,
) -> None:
    y, raw = drawn(transform.parameters, points=4)
    e = transform.to_noise(y, raw)[0]
    inputs = [one.detach().requires_grad_() for one in (e, *raw)]
    assert torch.autograd.gradcheck(lambda e, *raw: transform.to_latent(e, raw), inputs, atol=1e-6)


def test_far_tails_stay_finite(transform: RationalQuadraticSpline | MixtureOfLogistics) -> None:
    raw = [torch.full((4,), 3.0, dtype=torch.float64) for _ in range(transform.parameters)]
    y = torch.tensor([-1e3, -50.0, 50.0, 1e3], dtype=torch.float64)
    e, log_slope = transform.to_noise(y, raw)
    assert e.isfinite().all() and log_slope.isfinite().all() and (e.diff() > 0).all()


@pytest.mark.parametrize(("wide", "most"), [(0.3, 12), (1.0, 20), (3.0, 40)])
def test_the_root_of_logistics_is_found_in_few_steps(wide: float, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch ends when its last element is there, which bisection alone would take some fifty steps for."""
    transform, steps, value = MixtureOfLogistics(components=4), [0], logistics._value

    def counted(*arguments: Any) -> Any:
        steps[0] += 1
        return value(*arguments)

    monkeypatch.setattr(logistics, "_value", counted)
    e, raw = drawn(transform.parameters, points=20_000, wide=wide)
    y, _ = transform.to_latent(e, raw)
    assert steps[0] <= most
    torch.testing.assert_close(transform.to_noise(y, raw)[0], e, rtol=0.0, atol=1e-11)
