"""The chain through time of an LSTM layer: the part that must go step by step.

Axes: D directions, C steps of a stretch, N batch rows, U units, G = 4 U gates in PyTorch's order i, f, g, o.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor


class Chain(Protocol):
    """How one kind of device runs it."""

    @staticmethod
    def stretches(steps: int, bytes_a_step: int) -> Iterator[slice]:
        """The steps that are taken at once, given the bytes of a step's gates, in order."""

    @staticmethod
    def run(
        act_DCNG: Tensor, c_DCNU: Tensor, h_DCNU: Tensor, state: tuple[Tensor, Tensor], recurrent_DUG: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Through a stretch: inputs' gates become activations in place, c and h are written; the last (h, c)."""

    @staticmethod
    def run_back(
        act_DCNG: Tensor,
        c_DCNU: Tensor,
        before: tuple[Tensor, Tensor],
        grad_CDNU: Tensor,
        d_state: tuple[Tensor, Tensor],
        recurrent_DGU: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The gradient of a stretch's gates [D, C, N, G], and the h that came into each step [D, C, N, U].

        `before` is the (h, c) that the stretch began with; `d_state` (of h, c) is carried in place; `grad_CDNU`, of the
        outputs, may be written over.
        """


def slices(steps: int, size: int) -> Iterator[slice]:
    """Steps 0..steps - 1 in slices of `size`; the last may be shorter."""
    for start in range(0, steps, size):
        yield slice(start, min(start + size, steps))


def shifted(first_DNX: Tensor, x_DCNX: Tensor) -> Tensor:
    """What was there one step before: the first, and all but the last of x."""
    return torch.cat([first_DNX[:, None], x_DCNX[:, :-1]], 1)
