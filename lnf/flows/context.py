"""The recurrent network that gives each step its context, for priors that depend on the past.

c_0 is the top layer's initial output, a function of the length; c_t is its output after v_0..v_{t-1}. The input at step
t is [v_t; position code of step t + 1] (docs/paper.md 3e "Prior, common").
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from lnf.nn.dropout import Dropout
from lnf.nn.linear import Linear
from lnf.nn.lstm import LSTM, State
from lnf.nn.positions import PositionTable, position_codes


class RecurrentContext(nn.Module):
    """Contexts c_t [B, T, U] from earlier vectors v_{<t} [B, T, H] and the length.

    Arguments: latent size H, max_length M, units U, layers, dropout (between layers and on every context).
    """

    def __init__(self, latent: int, max_length: int, units: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.max_length = max_length
        self.lstm = LSTM(latent, units, layers, max_length, dropout)
        self.initial_position = PositionTable(max_length, units)
        self.initial_bias = nn.Parameter(torch.zeros(units))
        self.initial_state = Linear(units, 2 * layers * units)
        self.dropout = Dropout(dropout)
        nn.init.uniform_(self.initial_position.weight, -0.07, 0.07)
        nn.init.uniform_(self.initial_state.weight, -0.07, 0.07)
        nn.init.zeros_(self.initial_state.bias)

    def forward(self, v_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """All contexts [B, T, U] at once, all v being known."""
        codes_BT2 = position_codes(mask_BT, self.max_length)
        state = self._initial(codes_BT2)
        contexts = state.h[-1][:, None]
        if v_BTH.shape[1] > 1:
            contexts = torch.cat([contexts, self.lstm(v_BTH[:, :-1], codes_BT2[:, 1:], state)], dim=1)
        context_BTU: Tensor = self.dropout(contexts)
        return context_BTU

    def unroll(self, mask_BT: Tensor) -> Iterator["ContextStep"]:
        """The contexts one by one; the caller feeds v_t of each step back before taking the next."""
        codes_BT2 = position_codes(mask_BT, self.max_length)
        positions_TBG = self.lstm.position(codes_BT2).unbind(1)
        state = self._initial(codes_BT2)
        for t in range(mask_BT.shape[1]):
            step = ContextStep(self.dropout(state.h[-1]))
            yield step
            if t + 1 < mask_BT.shape[1]:
                state = self.lstm.step(step.fed(), positions_TBG[t + 1], state)

    def _initial(self, codes_BT2: Tensor) -> State:
        features_BU = (self.initial_position(codes_BT2[:, 0]) + self.initial_bias).relu()
        pairs_BLU2 = self.initial_state(features_BU).unflatten(-1, (len(self.lstm.layers), -1, 2))
        h_BLU, c_BLU = pairs_BLU2.unbind(-1)
        return State(list(h_BLU.unbind(1)), list(c_BLU.unbind(1)))


class ContextStep:
    """One step of `RecurrentContext.unroll`: read `context` [B, U], then `feed` v_t [B, H]."""

    def __init__(self, context_BU: Tensor) -> None:
        self.context = context_BU
        self._v: Tensor | None = None

    def feed(self, v_BH: Tensor) -> None:
        """Give the vector that the next step's context depends on."""
        self._v = v_BH

    def fed(self) -> Tensor:
        """The vector given by `feed`."""
        assert self._v is not None, "feed v_t before taking the next step"
        return self._v
