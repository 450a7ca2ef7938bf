"""IAF in time: each step depends on earlier noise vectors (paper, section 4.1)."""

import torch
from torch import Tensor

from lnf.nn.linear import gathered_gradients
from lnf.priors.base import HiddenFactory, Prior
from lnf.priors.context import RecurrentContext


class InverseAutoregressiveTime(Prior):
    """z_t <-> e_t given e_{<t}: sampling parallel in time, density sequential; hidden layers in reverse order.

    References: paper, section 4.1; docs/paper.md 3e "time = iaf".
    """

    def __init__(
        self, hidden: HiddenFactory, latent: int, max_length: int, units: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.context = RecurrentContext(latent, max_length, units, layers, dropout)
        self.flow = hidden(self.context.linear, True)

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        noises, log_dets = [], []
        with gathered_gradients(z_BTH.shape[1]):
            for step, z_BH in zip(self.context.unroll(mask_BT), z_BTH.unbind(1), strict=True):
                e_BH, log_det_B = self.flow.to_noise(z_BH, step.context)
                step.feed(e_BH)
                noises.append(e_BH)
                log_dets.append(log_det_B)
        return torch.stack(noises, 1), torch.stack(log_dets, 1)

    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        return self.flow.to_latent(e_BTH, self.context(e_BTH, mask_BT))
