"""The inverse of a coupling layer: its net on the kept variables, then each changed variable by itself.

The plain definition is in `lnf.hidden.coupling`. Axes: N rows, K kept and C changed variables, W hidden units.
"""

import numpy as np

from lnf.kernels.compiler import compiled, compiled_sum
from lnf.kernels.transforms import Array, to_latent


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
