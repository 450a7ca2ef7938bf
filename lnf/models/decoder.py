"""The decoder p(x_t|z): a BiLSTM over all of z, read at step t (docs/paper.md 3e "Decoder").

Axes: B batch, T time, H latent size, U units.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lnf.nn.lstm import BiLSTM
from lnf.nn.positions import position_codes


class Decoder(nn.Module):
    """Features w_t = [z_t; F_{t-1}; R_{t+1}], F and R the forward and backward outputs; zero beyond the ends.

    The shift does not hide z_t: the second layer reads both directions of the first, so x_t depends on all of z.

    Arguments: latent size H, max_length M, units, layers, dropout (on the inputs of every layer of the LSTM).
    """

    def __init__(self, latent: int, max_length: int, units: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.max_length = max_length
        self.features = latent + 2 * units
        self.lstm = BiLSTM(latent, units, layers, max_length, dropout)

    def forward(self, z_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """Features [B, T, H + 2 U]."""
        outputs = self.lstm(z_BTH, position_codes(mask_BT, self.max_length), mask_BT)
        features: Tensor = _Beside.apply(z_BTH, outputs, mask_BT)  # type: ignore[no-untyped-call]
        return features


class _Beside(torch.autograd.Function):
    """[z_t; F_{t-1}; R_{t+1}] written into one buffer, and its gradient into one: of slices, shifts and a concatenation
    autograd would make six of that size.
    """

    @staticmethod
    def forward(ctx: Any, z_BTH: Tensor, outputs_BTX: Tensor, mask_BT: Tensor) -> Tensor:
        ctx.latent, ctx.units = z_BTH.shape[-1], outputs_BTX.shape[-1] // 2
        features = z_BTH.new_zeros(*z_BTH.shape[:-1], ctx.latent + outputs_BTX.shape[-1])
        z, before, after = features.split([ctx.latent, ctx.units, ctx.units], dim=-1)
        ahead, back = outputs_BTX.chunk(2, dim=-1)
        z.copy_(z_BTH)
        before[:, 1:] = ahead[:, :-1]
        after[:, :-1] = back[:, 1:]
        after[:, :-1].masked_fill_(~mask_BT[:, 1:, None], 0)
        ctx.save_for_backward(mask_BT)
        ctx.outputs_like = torch.empty_like(outputs_BTX, device="meta")
        return features

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (mask_BT,) = ctx.saved_tensors
        d_z, d_before, d_after = grads[0].split([ctx.latent, ctx.units, ctx.units], dim=-1)
        d_outputs = torch.zeros_like(ctx.outputs_like, device=d_z.device)
        d_ahead, d_back = d_outputs.chunk(2, dim=-1)
        d_ahead[:, :-1] = d_before[:, 1:]
        d_back[:, 1:] = d_after[:, :-1]
        d_back.masked_fill_(~mask_BT[..., None], 0)
        return d_z, d_outputs, None
