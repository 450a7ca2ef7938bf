"""Inverses of layers within a time step, compiled: of a MADE, of a coupling layer, and of the scalar transforms.

A MADE runs over its variables in their order and computes each hidden unit once, as soon as its inputs are known; the
plain definition (`lnf.flows.hidden`) runs the whole net for each variable. Axes: N rows, H variables, W hidden
units, K kept and C changed variables; hidden unit k of a MADE has degree k mod H.
"""

import math

import numpy as np
from numpy.typing import NDArray

from lnf.flows.compiled import compiled, compiled_sum
from lnf.flows.transforms import STEEPNESS

Array = NDArray[np.float64]
AFFINE, NLSQ = 2, 5
"""A transform by the number of its parameters."""
STEPS = 80
"""More than bisection of a double needs."""


@compiled
def made_to_latent(
    e_NH: Array,
    features_NW: Array,
    in_WH: Array,
    in_bias_W: Array,
    hidden_WW: Array,
    hidden_bias_W: Array,
    out_OW: Array,
    out_bias_O: Array,
    flip: bool,
    parameters: int,
) -> tuple[Array, Array]:
    """(y [N, H], log|det dy/de| [N]). `features`: what the context adds to the first hidden layer; weights unmasked;
    output p of variable j is row p H + j; `flip`: the last variable comes first.
    """
    rows, variables = e_NH.shape
    width = len(in_bias_W)
    y_NH, log_det_N = np.zeros((rows, variables)), np.zeros(rows)
    first_W, second_W, raw_P = np.zeros(width), np.zeros(width), np.zeros(parameters)
    for n in range(rows):
        for degree in range(variables):
            # Known now: the first `degree` variables, and with them the hidden units of that degree.
            for k in range(degree, width, variables):
                value = in_bias_W[k] + features_NW[n, k]
                for i in range(degree):
                    seen = variables - 1 - i if flip else i
                    value += in_WH[k, seen] * y_NH[n, seen]
                first_W[k] = max(value, 0.0)
            for k in range(degree, width, variables):
                second_W[k] = max(hidden_bias_W[k] + _known(hidden_WW[k], first_W, degree, variables), 0.0)
            j = variables - 1 - degree if flip else degree
            for p in range(parameters):
                row = p * variables + j
                raw_P[p] = out_bias_O[row] + _known(out_OW[row], second_W, degree, variables)
            y, log_slope = to_latent(e_NH[n, j], raw_P)
            y_NH[n, j] = y
            log_det_N[n] += log_slope
    return y_NH, log_det_N


@compiled_sum
def _known(weights_W: Array, units_W: Array, degree: int, variables: int) -> float:
    """The product with the units of degrees up to `degree`."""
    total = 0.0
    for block in range(0, len(units_W), variables):
        for k in range(block, min(block + degree + 1, len(units_W))):
            total += weights_W[k] * units_W[k]
    return total


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


@compiled
def elementwise_to_latent(e_NH: Array, raw_NO: Array, parameters: int) -> tuple[Array, Array]:
    """(y [N, H], log|det dy/de| [N]); parameter p of variable j is column j P + p."""
    rows, variables = e_NH.shape
    y_NH, log_det_N = np.empty((rows, variables)), np.zeros(rows)
    for n in range(rows):
        for j in range(variables):
            y_NH[n, j], log_slope = to_latent(e_NH[n, j], raw_NO[n, j * parameters : (j + 1) * parameters])
            log_det_N[n] += log_slope
    return y_NH, log_det_N


@compiled
def coupling_to_latent(
    kept_NK: Array,
    e_NC: Array,
    features_NW: Array,
    in_WK: Array,
    in_bias_W: Array,
    hidden_WW: Array,
    hidden_bias_W: Array,
    out_OW: Array,
    out_bias_O: Array,
    parameters: int,
) -> tuple[Array, Array]:
    """(y [N, C], log|det dy/de| [N]). `features`: what the context adds to the first hidden layer; output p of changed
    variable j is row j P + p.
    """
    rows, changed = e_NC.shape
    y_NC, log_det_N = np.empty((rows, changed)), np.zeros(rows)
    width = len(in_bias_W)
    first_W, second_W, raw_O = np.empty(width), np.empty(width), np.empty(len(out_bias_O))
    for n in range(rows):
        for k in range(width):
            first_W[k] = max(in_bias_W[k] + features_NW[n, k] + _product(in_WK[k], kept_NK[n]), 0.0)
        for k in range(width):
            second_W[k] = max(hidden_bias_W[k] + _product(hidden_WW[k], first_W), 0.0)
        for row in range(len(out_bias_O)):
            raw_O[row] = out_bias_O[row] + _product(out_OW[row], second_W)
        for j in range(changed):
            y_NC[n, j], log_slope = to_latent(e_NC[n, j], raw_O[j * parameters : (j + 1) * parameters])
            log_det_N[n] += log_slope
    return y_NC, log_det_N


@compiled_sum
def _product(weights: Array, units: Array) -> float:
    total = 0.0
    for k in range(len(units)):
        total += weights[k] * units[k]
    return total
