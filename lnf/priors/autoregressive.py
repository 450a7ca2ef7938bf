"""AF in time: each step depends on earlier latent vectors (paper, section 4.1)."""

import torch
from torch import Tensor

from lnf.priors.base import HiddenFactory, Prior
from lnf.priors.context import RecurrentContext


class AutoregressiveTime(Prior):
    """z_t <-> e_t given z_{<t}: density parallel in time, sampling sequential.

    References: paper, section 4.1; docs/paper.md 3e "time = af".
    """

    def __init__(
        self, hidden: HiddenFactory, latent: int, max_length: int, units: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.context = RecurrentContext(latent, max_length, units, layers, dropout)
        self.flow = hidden(self.context.linear, False)

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        return self.flow.to_noise(z_BTH, self.context(z_BTH, mask_BT))

    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        latents, log_dets = [], []
        for step, e_BH in zip(self.context.unroll(mask_BT), e_BTH.unbind(1), strict=True):
            z_BH, log_det_B = self.flow.to_latent(e_BH, step.context)
            step.feed(z_BH)
            latents.append(z_BH)
            log_dets.append(log_det_B)
        return torch.stack(latents, 1), torch.stack(log_dets, 1)
