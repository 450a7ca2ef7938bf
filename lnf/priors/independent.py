"""No flow in time: steps are independent given their position ("independent across time", paper, table 1)."""

from torch import Tensor

from lnf.nn.positions import PositionTable, position_codes
from lnf.priors.base import HiddenFactory, Prior


class IndependentTime(Prior):
    """z_t <-> e_t given only t and T; the context is the position code itself.

    Arguments: as the other priors; units, layers and dropout are unused, there is no recurrent network.
    References: docs/paper.md 3e "time = none".
    """

    def __init__(
        self, hidden: HiddenFactory, latent: int, max_length: int, units: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.max_length = max_length
        self.flow = hidden(lambda features: PositionTable(max_length, features), False)

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        return self.flow.to_noise(z_BTH, position_codes(mask_BT, self.max_length))

    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        return self.flow.to_latent(e_BTH, position_codes(mask_BT, self.max_length))
