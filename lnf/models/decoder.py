"""The decoder p(x_t|z): a BiLSTM over all of z, read beside step t (docs/paper.md 3e "Decoder").

Axes: B batch, T time, H latent size, U units.
"""

import torch
from torch import Tensor, nn

from lnf.nn.lstm import BiLSTM
from lnf.nn.positions import position_codes


class Decoder(nn.Module):
    """Features w_t = [z_t; F_{t-1}; R_{t+1}], F and R the forward and backward outputs; zero beyond the ends.

    The shift does not hide z_t: the second layer reads both directions of the first, so x_t depends on all of z.

    Arguments: latent size H, max_length M, units, layers.
    """

    def __init__(self, latent: int, max_length: int, units: int, layers: int) -> None:
        super().__init__()
        self.max_length = max_length
        self.features = latent + 2 * units
        self.lstm = BiLSTM(latent, units, layers, max_length)

    def forward(self, z_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """Features [B, T, H + 2 U]."""
        outputs = self.lstm(z_BTH, position_codes(mask_BT, self.max_length), mask_BT)
        ahead, back = outputs.chunk(2, dim=-1)
        before = nn.functional.pad(ahead[:, :-1], (0, 0, 1, 0))
        after = nn.functional.pad(back[:, 1:], (0, 0, 0, 1))
        return torch.cat([z_BTH, before, after], dim=-1)
