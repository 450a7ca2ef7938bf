"""The cumulative distribution of a mixture of logistics as a scalar transform (Ho et al. 2019)."""

from collections.abc import Sequence

import torch
from torch import Tensor

LARGEST = 4.0
"""Log scales, of components and of the whole, stay within +- this."""
MOST = 60
"""Steps in the search for the inverse; some six are usual."""


class MixtureOfLogistics:
    """e = logit(F(u)) with F the distribution function of K logistics; 3 K + 2 raw parameters: shift, log scale, K log
    weights, K means, K log scales.

        u = (y - m) exp(-s)        F(u) = sum_k w_k sigmoid((u - m_k) exp(-s_k))
        log de/dy = log F'(u) - log F(u) - log(1 - F(u)) - s

    y is the data side, e the noise side. All arguments have one shape; log-derivatives are per element, in nats. If all
    raw parameters are 0, it is the identity. The inverse is found between those of the components, by Newton's method,
    or by bisection where its step leaves the interval or is more than half of the last.

    Options: `components` K.
    References: Ho, Chen, Srinivas, Duan and Abbeel 2019, "Flow++", section 3.2.
    """

    def __init__(self, *, components: int = 4) -> None:
        self.components = components
        self.parameters = 3 * components + 2

    def to_noise(self, y: Tensor, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(e, log de/dy)."""
        shift, raw_scale, *mixture = raw
        log_scale = _limited(raw_scale)
        e, log_slope = _value(_Mixture.of(mixture), (y - shift) * torch.exp(-log_scale))
        return e, log_slope - log_scale

    def to_latent(self, e: Tensor, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(y, log dy/de). Gradients are those of the implicit function: a step of Newton's method from the root."""
        shift, raw_scale, *raw_mixture = raw
        log_scale, mixture = _limited(raw_scale), _Mixture.of(raw_mixture)
        root = _root(mixture, e)
        value, log_slope = _value(mixture, root)
        u = root - (value - e) * torch.exp(-log_slope).detach()
        return u * torch.exp(log_scale) + shift, log_scale - _value(mixture, u)[1]


class _Mixture:
    """Log weights, means and log scales of the components, [..., K] each."""

    def __init__(self, log_weights: Tensor, means: Tensor, log_scales: Tensor) -> None:
        self.log_weights, self.means, self.log_scales = log_weights, means, log_scales

    @classmethod
    def of(cls, raw: Sequence[Tensor]) -> "_Mixture":
        weights, means, scales = torch.stack(list(raw), -1).chunk(3, -1)
        return cls(weights.log_softmax(-1), means, _limited(scales))


def _limited(raw: Tensor) -> Tensor:
    return LARGEST * torch.tanh(raw / LARGEST)


def _value(mixture: _Mixture, u: Tensor) -> tuple[Tensor, Tensor]:
    """(logit F(u), log of its slope), [...]."""
    zero = u.new_zeros(())
    v = (u[..., None] - mixture.means) * torch.exp(-mixture.log_scales)
    log_below, log_above = -torch.logaddexp(-v, zero), -torch.logaddexp(v, zero)
    log_f = (mixture.log_weights + log_below + log_above - mixture.log_scales).logsumexp(-1)
    log_F, log_rest = ((mixture.log_weights + part).logsumexp(-1) for part in (log_below, log_above))
    return log_F - log_rest, log_f - log_F - log_rest


@torch.no_grad()
def _root(mixture: _Mixture, e: Tensor) -> Tensor:
    """u with logit F(u) = e, but for what the step of Newton's method that follows takes away: F lies between its
    components, so u lies between their inverses.
    """
    inverses = mixture.means + e[..., None] * torch.exp(mixture.log_scales)
    low, high = inverses.amin(-1), inverses.amax(-1)
    near = torch.finfo(e.dtype).eps ** 0.75
    u, moved = 0.5 * (low + high), high - low
    for _ in range(MOST):
        value, log_slope = _value(mixture, u)
        low, high = torch.where(value > e, low, u), torch.where(value > e, u, high)
        newton = u - (value - e) * torch.exp(-log_slope)
        close = near * (1 + u.abs())
        good = (newton >= low) & (newton <= high) & ((newton - u).abs() <= torch.maximum(0.5 * moved, close))
        before, u = u, torch.where(good, newton, 0.5 * (low + high))
        moved = (u - before).abs()
        if bool((moved <= close).all()):
            break
    return u
