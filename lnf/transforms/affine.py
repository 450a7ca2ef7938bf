"""The affine scalar transform (paper, section 5; docs/paper.md 3e "affine")."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor


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
