"""Coupling over time with a bidirectional conditioner: parallel in time both ways (the idea of FlowSeq)."""

from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from lnf.flows.base import HiddenFactory, HiddenFlow, Prior
from lnf.nn.lstm import BiLSTM
from lnf.nn.positions import position_codes


class BidirectionalTime(Prior):
    """N couplings: half of the dimensions of all steps go through a bidirectional LSTM, whose output of step t is the
    context of a flow of the other half of z_t. Halves alternate. Neither way has a loop over time but that of the LSTM
    over vectors that are known.

    Arguments: factory of the flow within a step, latent size H > 1, longest length M, units, layers of LSTMs, dropout.
    Options: `couplings` N; `width`, units of each direction (0: half of the units).
    References: Ma, Zhou, Li, Neubig and Hovy 2019, "FlowSeq", section 3.2; Dinh, Sohl-Dickstein and Bengio 2017.
    """

    causal: ClassVar[bool] = False

    def __init__(
        self,
        hidden: HiddenFactory,
        latent: int,
        max_length: int,
        units: int = 500,
        layers: int = 2,
        dropout: float = 0.2,
        *,
        couplings: int = 4,
        width: int = 0,
    ) -> None:
        super().__init__(latent)
        self.max_length = max_length
        width = width or max(1, units // 2)
        self.couplings = nn.ModuleList(
            _TimeCoupling(hidden, latent, max_length, width, layers, dropout, flip=n % 2 == 1) for n in range(couplings)
        )

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        return self._through(z_BTH, mask_BT, to_noise=True)

    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        return self._through(e_BTH, mask_BT, to_noise=False)

    def _through(self, x_BTH: Tensor, mask_BT: Tensor, to_noise: bool) -> tuple[Tensor, Tensor]:
        codes_BT2 = position_codes(mask_BT, self.max_length)
        log_det_BT = torch.zeros_like(x_BTH[..., 0])
        for coupling in list(self.couplings)[:: 1 if to_noise else -1]:
            x_BTH, one_BT = cast(_TimeCoupling, coupling)(x_BTH, codes_BT2, mask_BT, to_noise)
            log_det_BT = log_det_BT + one_BT
        return x_BTH, log_det_BT


class _TimeCoupling(nn.Module):
    """Keep half of the dimensions of every step (the first, or the last if flipped), transform the others."""

    def __init__(
        self, hidden: HiddenFactory, latent: int, max_length: int, width: int, layers: int, dropout: float, flip: bool
    ) -> None:
        super().__init__()
        if latent < 2:
            raise ValueError("latent 1: 2 or more would be right, which are split")
        self.flip = flip
        self.kept = latent // 2
        self.conditioner = BiLSTM(self.kept, width, layers, max_length, dropout)
        self.flow: HiddenFlow = hidden(latent=latent - self.kept, context=2 * width)

    def forward(self, x_BTH: Tensor, codes_BT2: Tensor, mask_BT: Tensor, to_noise: bool) -> tuple[Tensor, Tensor]:
        x_BTH = x_BTH.flip(-1) if self.flip else x_BTH
        kept_BTK, changed_BTC = x_BTH.split([self.kept, x_BTH.shape[-1] - self.kept], -1)
        context_BTX = self.conditioner(kept_BTK, codes_BT2, mask_BT)
        way = self.flow.to_noise if to_noise else self.flow.to_latent
        changed_BTC, log_det_BT = way(changed_BTC, context_BTX)
        x_BTH = torch.cat([kept_BTK, changed_BTC], -1)
        return x_BTH.flip(-1) if self.flip else x_BTH, log_det_BT
