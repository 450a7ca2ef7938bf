"""Scalar transforms: invertible to the last bits, slopes as autograd says, at random and adversarial points."""

import math

import pytest
import torch
from torch import Tensor

from lnf.flows.base import Transform
from lnf.flows.transforms import Affine, NLSq

TRANSFORMS = pytest.mark.parametrize("transform", [Affine, NLSq], ids=["affine", "nlsq"])
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


def random_points(count: int, dtype: torch.dtype, parameters: int) -> tuple[Tensor, list[Tensor]]:
    """Values and raw parameters of mixed scales, from tame to adversarial."""
    generator = torch.Generator().manual_seed(0)
    scale = 10 ** torch.empty(count, dtype=torch.float64).uniform_(-3, 1.3, generator=generator)
    y = (torch.randn(count, dtype=torch.float64, generator=generator) * scale).to(dtype)
    raw = torch.randn(parameters, count, dtype=torch.float64, generator=generator) * scale.roll(1)
    return y, list(raw.clamp(-25, 25).to(dtype))


def adversarial_points(dtype: torch.dtype) -> tuple[Tensor, list[Tensor]]:
    """A grid of NLSq's corners: saturated c, tiny and huge b and d, large shifts, y at the kink sqrt(3)."""
    kink = math.sqrt(3)
    values = [0.0, 1.0, -1.0, kink, -kink, 1.73205066, 1.73195076, 1e-8, 30.0, -30.0, 1e4, -1e4]
    axes = [values, [0.0, 3.0, -40.0], [0.0, 20.0, -20.0], [0.0, 1.0, 30.0, -30.0], [0.0, 20.0, -20.0]]
    axes.append([0.0, kink, -kink, 50.0, -1e4])
    grid = torch.cartesian_prod(*(torch.tensor(axis, dtype=torch.float64) for axis in axes))
    y, *raw = grid.to(dtype).unbind(1)
    return y, raw


def nlsq_in_float64(y: Tensor, raw: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """(f(y), f'(y), |a| + |b y| + |c|), every operation in float64."""
    a, raw_b, raw_c, raw_d, g = (parameter.double() for parameter in raw)
    b, d = torch.exp(0.4 * raw_b), torch.exp(0.4 * raw_d)
    c = (8 * math.sqrt(3) / 9 - 0.05) * torch.tanh(0.3 * raw_c) * b / d
    u = d * y.double() + g
    value = a + b * y.double() + c / (1 + u**2)
    return value, b - 2 * c * d * u / (1 + u**2) ** 2, a.abs() + (b * y.double()).abs() + c.abs()


@DTYPES
@pytest.mark.parametrize("points", ["random", "adversarial"])
def test_nlsq_inverse_is_backward_stable(points: str, dtype: torch.dtype) -> None:
    """|f(y) - e| <= 8 eps (|a| + |b y| + |c| + |e| + f'(y) |y|), and nothing is inf or NaN (docs/paper.md 7.1)."""
    e, raw = random_points(1_000_000, dtype, 5) if points == "random" else adversarial_points(dtype)
    y, log_slope = NLSq.to_latent(e, raw)
    assert y.isfinite().all() and log_slope.isfinite().all()
    value, slope, size = nlsq_in_float64(y, raw)
    bound = 8 * torch.finfo(dtype).eps * (size + e.double().abs() + slope * y.double().abs())
    assert ((value - e.double()).abs() <= bound).all()


@pytest.mark.parametrize("raw_b", [0.0, 1.0, -1.0, 3.0, -3.0])
@pytest.mark.parametrize("y", [1.73205066, 1.73195076])
def test_nlsq_just_below_the_kink(y: float, raw_b: float) -> None:
    """The authors' inverse is inf or wrong at these float32 inputs (docs/paper.md 7.1)."""
    raw = [torch.tensor([value]) for value in (0.0, 0.0, raw_b, 0.0, 0.0)]
    e, _ = NLSq.to_noise(torch.tensor([y]), raw)
    back, _ = NLSq.to_latent(e, raw)
    torch.testing.assert_close(back, torch.tensor([y]), rtol=4e-6, atol=0)


def test_nlsq_inverse_has_a_gradient_where_q_is_zero() -> None:
    """At q = 0 the authors' abs(q)/q is NaN: raw parameters 0 and e = 0."""
    e = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    raw = [torch.zeros(1, dtype=torch.float64, requires_grad=True) for _ in range(5)]
    y, _ = NLSq.to_latent(e, raw)
    gradients = torch.autograd.grad(y.sum(), [e, *raw])
    assert all(gradient.isfinite().all() for gradient in gradients)
    torch.testing.assert_close(gradients[0], torch.ones(1, dtype=torch.float64))


@TRANSFORMS
def test_round_trip_and_opposite_slopes(transform: Transform) -> None:
    y, raw = random_points(10_000, torch.float64, transform.parameters)
    raw = [parameter.clamp(-4, 4) for parameter in raw]
    e, log_slope = transform.to_noise(y, raw)
    back, log_slope_back = transform.to_latent(e, raw)
    torch.testing.assert_close(back, y, rtol=1e-10, atol=1e-9)
    torch.testing.assert_close(log_slope_back, -log_slope, rtol=1e-7, atol=1e-7)


@TRANSFORMS
def test_slope_is_the_derivative(transform: Transform) -> None:
    y, raw = random_points(10_000, torch.float64, transform.parameters)
    y = y.requires_grad_()
    e, log_slope = transform.to_noise(y, raw)
    (slope,) = torch.autograd.grad(e.sum(), y)
    torch.testing.assert_close(torch.exp(log_slope), slope, rtol=1e-8, atol=0)


@TRANSFORMS
def test_gradients_of_the_inverse_are_the_implicit_functions(transform: Transform) -> None:
    y, raw = random_points(200, torch.float64, transform.parameters)
    raw = [parameter.clamp(-3, 3) for parameter in raw]
    e = transform.to_noise(y.clamp(-4, 4), raw)[0]
    inputs = [tensor.detach().requires_grad_() for tensor in (e, *raw)]
    assert torch.autograd.gradcheck(lambda e, *raw: transform.to_latent(e, raw), inputs, atol=1e-5, rtol=1e-4)


@TRANSFORMS
def test_gradients_of_value_and_log_slope(transform: Transform) -> None:
    y, raw = random_points(200, torch.float64, transform.parameters)
    inputs = [tensor.clamp(-3, 3).requires_grad_() for tensor in (y, *raw)]
    assert torch.autograd.gradcheck(lambda y, *raw: transform.to_noise(y, raw), inputs)


def test_nlsq_slope_stays_between_its_bounds() -> None:
    y, raw = random_points(1_000_000, torch.float64, 5)
    _, log_slope = NLSq.to_noise(y, raw)
    relative = torch.exp(log_slope - 0.4 * raw[1])
    assert relative.min() >= 0.0324 and relative.max() <= 1.9676
