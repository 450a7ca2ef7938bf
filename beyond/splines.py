"""Monotone rational-quadratic splines as a scalar transform (Durkan et al. 2019)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

LOG_LEAST = math.log(1e-3)
"""Log of the least width of a bin relative to another's, and of the least slope at a knot."""


class RationalQuadraticSpline:
    """Shift and scale, then a monotone spline of K bins on [-B, B] and the identity outside; 3 K + 1 raw parameters:
    shift, log scale, K widths, K heights, K - 1 slopes.

        u = (y - m) exp(-s)        e = spline(u)        log de/dy = log spline'(u) - s

    y is the data side, e the noise side. All arguments have one shape; log-derivatives are per element, in nats. If all
    raw parameters are 0, it is the identity. Constraints are those of zuko's `MonotonicRQSTransform`.

    Options: `bins` K, `bound` B.
    References: Durkan, Bekasov, Murray and Papamakarios 2019, "Neural spline flows", section 3.1.
    """

    def __init__(self, *, bins: int = 8, bound: float = 5.0) -> None:
        self.bins, self.bound = bins, bound
        self.parameters = 3 * bins + 1

    def to_noise(self, y: Tensor, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(e, log de/dy)."""
        shift, log_scale, *spline = raw
        e, log_slope = self.spline(spline).value((y - shift) * torch.exp(-log_scale))
        return e, log_slope - log_scale

    def to_latent(self, e: Tensor, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(y, log dy/de)."""
        shift, log_scale, *spline = raw
        u, log_slope = self.spline(spline).inverse(e)
        return u * torch.exp(log_scale) + shift, log_slope + log_scale

    def spline(self, raw: Sequence[Tensor]) -> "Spline":
        """The spline of raw widths, heights and slopes, each [...]."""
        widths, heights, slopes = torch.stack(list(raw), -1).split([self.bins, self.bins, self.bins - 1], -1)
        ends = torch.zeros_like(widths[..., :1])
        log_slopes = torch.cat([ends, slopes / (1 + (slopes / LOG_LEAST).abs()), ends], -1)
        return Spline(self._knots(widths), self._knots(heights), log_slopes.exp())

    def _knots(self, raw: Tensor) -> Tensor:
        """[..., K] to the K + 1 knots from -B to B."""
        shares = (raw / (1 + (2 * raw / LOG_LEAST).abs())).softmax(-1)
        ends = torch.cat([torch.zeros_like(shares[..., :1]), shares.cumsum(-1)], -1)
        return self.bound * (2 * ends - 1)


class Spline:
    """Knots x and y and slopes at them, [..., K + 1] each."""

    def __init__(self, x: Tensor, y: Tensor, slopes: Tensor) -> None:
        self.x, self.y, self.slopes = x, y, slopes

    def value(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """(value, log slope) at u [...]."""
        inside, x0, x1, y0, y1, d0, d1 = self._bin(u, self.x)
        share = torch.where(inside, (u - x0) / (x1 - x0), 0.5)
        steep = (y1 - y0) / (x1 - x0)
        mixed = share * (1 - share)
        below = steep + (d0 + d1 - 2 * steep) * mixed
        value = y0 + (y1 - y0) * (steep * share * share + d0 * mixed) / below
        return torch.where(inside, value, u), torch.where(inside, _log_slope(share, steep, d0, d1), 0.0)

    def inverse(self, e: Tensor) -> tuple[Tensor, Tensor]:
        """(u, log du/de) of the value e [...]: the root of a quadratic (equations 6 to 8 of the paper)."""
        inside, x0, x1, y0, y1, d0, d1 = self._bin(e, self.y)
        rise = torch.where(inside, e - y0, 0.5 * (y1 - y0))
        steep = (y1 - y0) / (x1 - x0)
        curved = d0 + d1 - 2 * steep
        a = (y1 - y0) * (steep - d0) + rise * curved
        b = (y1 - y0) * d0 - rise * curved
        c = -steep * rise
        share = 2 * c / (-b - (b * b - 4 * a * c).sqrt())
        return (
            torch.where(inside, x0 + share * (x1 - x0), e),
            torch.where(inside, -_log_slope(share, steep, d0, d1), 0.0),
        )

    def _bin(self, u: Tensor, knots: Tensor) -> tuple[Tensor, ...]:
        """(whether u is between the outer knots; both ends of its bin in x and y; slopes there), [...] each."""
        place = torch.searchsorted(knots.contiguous(), u[..., None].contiguous()) - 1
        last = knots.shape[-1] - 2
        inside = (place >= 0) & (place <= last)
        low = place.clamp(0, last)
        ends = [part.gather(-1, low + n).squeeze(-1) for part in (self.x, self.y, self.slopes) for n in (0, 1)]
        return inside.squeeze(-1), *ends


def _log_slope(share: Tensor, steep: Tensor, d0: Tensor, d1: Tensor) -> Tensor:
    mixed = share * (1 - share)
    above = 2 * steep * mixed + d0 * (1 - share) ** 2 + d1 * share**2
    return 2 * torch.log(steep) + torch.log(above) - 2 * torch.log(steep + (d0 + d1 - 2 * steep) * mixed)
