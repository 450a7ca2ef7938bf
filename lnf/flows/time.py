"""Flows across time: autoregressive, inverse autoregressive, and none (paper, section 4.1 and table 1).

Axes: B batch, T time, H latent size.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from lnf.flows.base import HiddenFactory, Prior
from lnf.flows.context import RecurrentContext
from lnf.nn.linear import gathered_gradients
from lnf.nn.positions import PositionTable, position_codes


class _RecurrentTime(Prior):
    """A flow whose steps depend on earlier vectors through an LSTM."""

    reverse: ClassVar[bool]
    """The order of the layers within a step."""

    def __init__(
        self,
        hidden: HiddenFactory,
        latent: int,
        max_length: int,
        units: int = 500,
        layers: int = 2,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(latent)
        self.context = RecurrentContext(latent, max_length, units, layers, dropout)
        self.flow = hidden(latent=latent, context=units, reverse=self.reverse)

    def _unrolled(
        self, way: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], x_BTH: Tensor, mask_BT: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One way of the flow step by step, each given what came of those before it."""
        vectors, log_dets = [], []
        for step, x_BH in zip(self.context.unroll(mask_BT), x_BTH.unbind(1), strict=True):
            vector_BH, log_det_B = way(x_BH, step.context)
            step.feed(vector_BH)
            vectors.append(vector_BH)
            log_dets.append(log_det_B)
        return torch.stack(vectors, 1), torch.stack(log_dets, 1)


class AutoregressiveTime(_RecurrentTime):
    """z_t <-> e_t given z_{<t}: density parallel in time, sampling sequential.

    Arguments: factory of the flow within a step, latent size H, longest length M, LSTM units, LSTM layers, dropout.
    References: paper, section 4.1; docs/paper.md 3e "time = af".

    >>> from functools import partial
    >>> import lnf, torch
    >>> prior = lnf.AutoregressiveTime(partial(lnf.CouplingHidden, lnf.NLSq()), latent=8, max_length=20, units=16)
    >>> mask_BT = torch.arange(20) < torch.tensor([[20], [7]])
    >>> prior.log_prob(prior.sample(mask_BT), mask_BT).shape
    torch.Size([2])
    """

    reverse = False

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        return self.flow.to_noise(z_BTH, self.context(z_BTH, mask_BT))

    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        return self._unrolled(self.flow.to_latent, e_BTH, mask_BT)


class InverseAutoregressiveTime(_RecurrentTime):
    """z_t <-> e_t given e_{<t}: sampling parallel in time, density sequential; hidden layers in reverse order.

    Arguments: as of `AutoregressiveTime`.
    References: paper, section 4.1; docs/paper.md 3e "time = iaf".
    """

    reverse = True

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        with gathered_gradients(z_BTH.shape[1]):
            return self._unrolled(self.flow.to_noise, z_BTH, mask_BT)

    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        return self.flow.to_latent(e_BTH, self.context(e_BTH, mask_BT))


class IndependentTime(Prior):
    """z_t <-> e_t given only t and T; the context is the position code itself ("independent across time").

    Arguments: factory of the flow within a step, latent size H, longest length M. There is no recurrent network, so
    that its settings are ignored.
    References: paper, table 1; docs/paper.md 3e "time = none".
    """

    def __init__(self, hidden: HiddenFactory, latent: int, max_length: int, **recurrent: float) -> None:
        super().__init__(latent)
        self.max_length = max_length
        self.flow = hidden(latent=latent, context=partial(PositionTable, max_length))

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        return self.flow.to_noise(z_BTH, position_codes(mask_BT, self.max_length))

    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        return self.flow.to_latent(e_BTH, position_codes(mask_BT, self.max_length))
