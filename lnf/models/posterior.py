"""The approximate posterior q(z|x): a diagonal Gaussian at every step (docs/paper.md 3e "Posterior").

Axes: S samples, B batch, T time, H latent size, E embedding.
"""

import math

import torch
from torch import Tensor, nn

from lnf.nn.linear import Linear
from lnf.nn.lstm import BiLSTM
from lnf.nn.positions import position_codes


class Posterior(nn.Module):
    """q(z|x) = prod_t N(z_t; mean_t, diag exp(logvar_t)) from a BiLSTM over the embedded x and its positions.

    Arguments: embedding E, latent size H, max_length M, units, layers, dropout (on the inputs of every layer).
    """

    def __init__(
        self, embedding: int, latent: int, max_length: int, units: int, layers: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.max_length = max_length
        self.lstm = BiLSTM(embedding, units, layers, max_length, dropout)
        self.head = Linear(2 * units, 2 * latent)
        nn.init.uniform_(self.head.weight, -0.07, 0.07)
        nn.init.zeros_(self.head.bias)

    def forward(self, embedded_BTE: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(mean [B, T, H], logvar [B, T, H])."""
        features = self.lstm(embedded_BTE, position_codes(mask_BT, self.max_length), mask_BT)
        mean, logvar = self.head(features).unflatten(-1, (-1, 2)).unbind(-1)
        return mean, logvar


def reparameterise(mean_BTH: Tensor, logvar_BTH: Tensor, noise_SBTH: Tensor) -> tuple[Tensor, Tensor]:
    """(z [S, B, T, H], log q(z_t|x) [S, B, T] in nats) from standard normal noise."""
    z_SBTH = mean_BTH + torch.exp(0.5 * logvar_BTH) * noise_SBTH
    log_q_SBT = -0.5 * (math.log(2 * math.pi) + logvar_BTH + noise_SBTH * noise_SBTH).sum(-1)
    return z_SBTH, log_q_SBT
