"""The inverse of a MADE layer: variables in their order, each hidden unit once, as soon as its inputs are known.

The plain definition (`lnf.hidden.autoregressive`) runs the whole net for each variable. Axes: N rows, H variables,
W hidden units; hidden unit k has degree k mod H (`lnf.hidden.autoregressive` builds the masks so).
"""

import numpy as np

from lnf.kernels.compiler import compiled, compiled_sum
from lnf.kernels.transforms import Array, to_latent


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
