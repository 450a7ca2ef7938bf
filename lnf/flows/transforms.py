"""Scalar transforms: affine, and non-linear squared (paper, section 5; docs/paper.md 3c, 3e and 7.1)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# |c| < 8 sqrt(3) b / (9 d) keeps the slope positive; the authors stay 0.05 below it.
STEEPNESS = 8 * math.sqrt(3) / 9 - 0.05


class Affine:
    """Shift and scale; parameters (o_0, o_1).

        e = (y - o_0) exp(-o_1 / 2)        log de/dy = -o_1 / 2

    y is the data side, e the noise side. All arguments have one shape; log-derivatives are per element, in nats.
    References: docs/paper.md 3e (the authors' `affine`).
    """

    parameters: ClassVar[int] = 2

    @staticmethod
    def to_noise(y: Tensor, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(e, log de/dy)."""
        shift, log_variance = raw
        return (y - shift) * torch.exp(-0.5 * log_variance), -0.5 * log_variance

    @staticmethod
    def to_latent(e: Tensor, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(y, log dy/de)."""
        shift, log_variance = raw
        return e * torch.exp(0.5 * log_variance) + shift, 0.5 * log_variance


@dataclass(frozen=True)
class _Coefficients:
    """Constrained parameters: e = a + b (y + k / d q), u = d y + g, q = 1 / (1 + u^2), |k| < STEEPNESS."""

    a: Tensor
    b: Tensor
    d: Tensor
    k: Tensor
    g: Tensor
    log_b: Tensor

    def value_and_log_slope(self, y: Tensor) -> tuple[Tensor, Tensor]:
        u = torch.addcmul(self.g, self.d, y)
        q = torch.reciprocal(1 + u * u)
        kq = self.k * q
        return torch.addcmul(self.a, self.b, y + kq / self.d), self.log_b + torch.log1p(-2 * kq * u * q)


def _constrain(raw: Sequence[Tensor]) -> _Coefficients:
    a, raw_b, raw_c, raw_d, g = raw
    log_b = 0.4 * raw_b
    return _Coefficients(a, torch.exp(log_b), torch.exp(0.4 * raw_d), STEEPNESS * torch.tanh(0.3 * raw_c), g, log_b)


class _ValueAndLogSlope(torch.autograd.Function):
    """`value_and_log_slope` of y and raw parameters, which keeps nothing else for its derivative: a flow applies it
    at every step of every sample, and what autograd would keep is three times as large.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, *raw: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(y, *raw)
        return _constrain(raw).value_and_log_slope(y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        y, *raw = ctx.saved_tensors
        d_value, d_log_slope = grads
        f = _constrain(raw)
        u = torch.addcmul(f.g, f.d, y)
        q = torch.reciprocal(1 + u * u)
        turn = -2 * u * q * q  # dq/du
        slope = 1 + f.k * turn  # of the value in y, over b
        # log slope = log b + log(slope); d(turn)/du = -2 q^2 (1 - 4 u^2 q) = -2 q^2 (4 q - 3)
        d_log = d_log_slope / slope
        log_by_u = d_log * f.k * (-2 * q * q * (4 * q - 3))
        b_value = d_value * f.b
        by_u = torch.addcmul(log_by_u, b_value * f.k / f.d, turn)
        by_k = torch.addcmul(d_log * turn, b_value, q / f.d)
        d_y = torch.addcmul(b_value, by_u, f.d)
        d_b = 0.4 * torch.addcmul(d_log_slope, b_value, y + f.k * q / f.d)
        d_c = by_k * (0.3 * (STEEPNESS - f.k * f.k / STEEPNESS))
        d_d = 0.4 * torch.addcmul(by_u * f.d * y, b_value, f.k * q / f.d, value=-1)
        return d_y, d_value, d_b, d_c, d_d, by_u


def _value_and_log_slope(y: Tensor, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    found: tuple[Tensor, Tensor] = _ValueAndLogSlope.apply(y, *raw)  # type: ignore[no-untyped-call]
    return found


class NLSq:
    """Non-linear squared transform; parameters (a, b', c', d', g), raw outputs of a network.

        e = a + b y + c / (1 + u^2)        u = d y + g
        log de/dy = log b + log1p(-2 k u / (1 + u^2)^2)        c = k b / d

    with b = exp(0.4 b'), d = exp(0.4 d'), k = STEEPNESS tanh(0.3 c'). The slope lies in [0.0325 b, 1.9675 b].
    y is the data side, e the noise side. All arguments have one shape; log-derivatives are per element, in nats.
    References: paper, section 5 and appendix C; docs/paper.md 3c and 3e.
    """

    parameters: ClassVar[int] = 5

    @staticmethod
    def to_noise(y: Tensor, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(e, log de/dy)."""
        return _value_and_log_slope(y, raw)

    @staticmethod
    def to_latent(e: Tensor, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(y, log dy/de): the one real root of a cubic, found in float64 whatever the dtype.

        The gradient is the implicit function's: a Newton step at the root changes its value by rounding only, and its
        derivative is dy/de = 1/f'(y), dy/dtheta = -(df/dtheta)/f'(y).
        """
        exact = [parameter.double() for parameter in raw]
        with torch.no_grad():
            root = _root(e.double(), _constrain(exact))
        value, log_slope = _value_and_log_slope(root, exact)
        y = root - (value - e.double()) / torch.exp(log_slope.detach())
        return y.to(e.dtype), -_value_and_log_slope(y, exact)[1].to(e.dtype)


def _root(e: Tensor, f: _Coefficients) -> Tensor:
    """Solve f(y) = e to the last bits of float64: closed form in u, then safeguarded Newton steps, the last ones in y.

    In u the equation is u + k / (1 + u^2) = w with w = (e - a) d / b + g: one parameter, well scaled, |u - w| <= |k|.
    """
    w = (e - f.a) * (f.d / f.b) + f.g
    u = _cubic_root(w, f.k)
    low, high = torch.minimum(w, w - f.k), torch.maximum(w, w - f.k)
    for _ in range(2):
        q = 1 / (1 + u * u)
        u = u - (u + f.k * q - w) / (1 - 2 * f.k * q * u * q)
        u = torch.minimum(torch.maximum(u, low), high)
    # From u back to y = (u - g) / d the difference cancels when |g| is large: polish in y itself.
    y = (u - f.g) / f.d
    for _ in range(2):
        value, log_slope = f.value_and_log_slope(y)
        y = y - (value - e) / torch.exp(log_slope)
    return y


def _cubic_root(w: Tensor, k: Tensor) -> Tensor:
    """The real root of u^3 - w u^2 + u + k - w = 0, in Holmes' hyperbolic form (docs/paper.md 3e)."""
    p = 1 - w * w / 3
    q = 2 * w / 3 * (-(w * w) / 9) + w / 3 + k - w
    scale = torch.sqrt(p.abs() / 3)
    ratio = torch.where(p == 0, 0, 1.5 * q / (p * scale))
    # torch.asinh does not cancel for large negative arguments, unlike log(v + sqrt(v^2 + 1)).
    one_root = -2 * scale * torch.sinh(torch.asinh(ratio) / 3)
    sign = torch.where(q < 0, -1.0, 1.0).to(q)
    three_roots = -2 * sign * scale * torch.cosh(torch.acosh(ratio.abs().clamp(min=1)) / 3)
    flat = -torch.sign(q) * q.abs() ** (1 / 3)
    return torch.where(p > 0, one_root, torch.where(p < 0, three_roots, flat)) + w / 3
