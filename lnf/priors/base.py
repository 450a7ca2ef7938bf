"""What every flow prior over latent sequences is (paper, section 4).

Axes: B batch, T time, H latent size. `mask_BT` is true on real steps; sequences start at step 0.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lnf.hidden.base import ContextFactory, HiddenFlow

HiddenFactory = Callable[[ContextFactory, bool], HiddenFlow]
"""(context layer factory, layer order reversed) -> the flow within a step."""


class Prior(nn.Module, ABC):
    """p(z|T) = N(e; 0, I) |det de/dz| over the valid steps of each sequence.

    A subclass gives the two ends of its flow step by step (`noise_steps`, `latent_steps`); this class does the only
    summing over time and the only masking.

    Arguments of every subclass: hidden flow factory, latent size H, max_length M, LSTM units, LSTM layers, dropout.
    """

    @abstractmethod
    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(e [B, T, H], log|det de_t/dz_t| [B, T]); padding may hold anything finite."""

    @abstractmethod
    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(z [B, T, H], log|det dz_t/de_t| [B, T]); padding may hold anything finite."""

    def to_noise(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(e [B, T, H], zero on padding; log|det de/dz| [B])."""
        return _masked(*self.noise_steps(z_BTH, mask_BT), mask_BT)

    def to_latent(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(z [B, T, H], zero on padding; log|det dz/de| [B])."""
        return _masked(*self.latent_steps(e_BTH, mask_BT), mask_BT)

    def log_prob(self, z_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """log p(z|T) of each sequence, [B], in nats."""
        e_BTH, log_det_B = self.to_noise(z_BTH, mask_BT)
        log_base_BT = -0.5 * (math.log(2 * math.pi) + e_BTH * e_BTH).sum(-1)
        return log_base_BT.masked_fill(~mask_BT, 0).sum(1) + log_det_B

    def sample(
        self, mask_BT: Tensor, latent: int, generator: torch.Generator | None = None, temperature: float = 1.0
    ) -> Tensor:
        """z of e ~ N(0, temperature^2 I), which is z ~ p(z|T) if it is 1, [B, T, H], zero on padding."""
        weight = next(self.parameters())
        e_BTH = torch.randn((*mask_BT.shape, latent), generator=generator, dtype=weight.dtype, device=weight.device)
        return self.to_latent(e_BTH * temperature, mask_BT)[0]


def _masked(x_BTH: Tensor, log_det_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
    return x_BTH.masked_fill(~mask_BT[..., None], 0), log_det_BT.masked_fill(~mask_BT, 0).sum(1)
