"""Inverses of the scalar transforms, one number at a time, in float64 (`lnf.transforms` has the definitions)."""

import math

import numpy as np
from numpy.typing import NDArray

from lnf.kernels.compiler import compiled
from lnf.transforms.nlsq import STEEPNESS

Array = NDArray[np.float64]
AFFINE, NLSQ = 2, 5
"""A transform by the number of its parameters."""
STEPS = 80
"""More than bisection of a double needs."""


@compiled
def affine_to_latent(e: float, shift: float, log_variance: float) -> tuple[float, float]:
    """(y, log dy/de)."""
    return e * math.exp(0.5 * log_variance) + shift, 0.5 * log_variance


@compiled
def nlsq_to_latent(e: float, a: float, raw_b: float, raw_c: float, raw_d: float, g: float) -> tuple[float, float]:
    """(y, log dy/de): Newton steps within a bracket in u = d y + g, where u + k / (1 + u^2) = w, then two in y.

    The slope in u lies in [0.0325, 1.9675], so that a step which stays in the bracket converges; another halves it.
    """
    log_b = 0.4 * raw_b
    b, d, k = math.exp(log_b), math.exp(0.4 * raw_d), STEEPNESS * math.tanh(0.3 * raw_c)
    w = (e - a) * (d / b) + g
    low, high = min(w, w - k), max(w, w - k)
    u = w - k / (1 + w * w)
    for _ in range(STEPS):
        q = 1 / (1 + u * u)
        miss = u + k * q - w
        if miss > 0:
            high = u
        else:
            low = u
        following = u - miss / (1 - 2 * k * u * q * q)
        if not low <= following <= high:
            following = 0.5 * (low + high)
        done = abs(following - u) <= 1e-15 * (1 + abs(u))
        u = following
        if done:
            break
    y = (u - g) / d
    for _ in range(2):
        u = d * y + g
        q = 1 / (1 + u * u)
        y -= (a + b * (y + k * q / d) - e) / (b * (1 - 2 * k * q * u * q))
    u = d * y + g
    q = 1 / (1 + u * u)
    return y, -(log_b + math.log1p(-2 * k * q * u * q))


@compiled
def to_latent(e: float, raw_P: Array) -> tuple[float, float]:
    """(y, log dy/de) of the transform that has so many parameters."""
    if len(raw_P) == NLSQ:
        return nlsq_to_latent(e, raw_P[0], raw_P[1], raw_P[2], raw_P[3], raw_P[4])
    return affine_to_latent(e, raw_P[0], raw_P[1])
