"""No flow in hidden: one scalar transform per dimension, given only the context (paper, table 2, "- AF hidden")."""

import torch
from torch import Tensor, nn

from lnf.hidden.base import ContextFactory, HiddenFlow, Layer, Transform


class ElementwiseHidden(HiddenFlow):
    """Every latent dimension alone, by one transform: several that are given one context do no more.

    Arguments: as the other hidden flows; `layers` and `width` are unused.
    References: docs/paper.md 3e "hidden = none".
    """

    def __init__(
        self, transform: Transform, latent: int, layers: int, width: int, context: ContextFactory, reverse: bool
    ) -> None:
        super().__init__([_ElementwiseLayer(transform, latent, context)], reverse)


class _ElementwiseLayer(Layer):
    """Raw parameters are one linear map of the context, variable-major: p of variable j is output j P + p."""

    def __init__(self, transform: Transform, latent: int, context: ContextFactory) -> None:
        super().__init__()
        self.transform = transform
        self.context = context(transform.parameters * latent)
        self.bias = nn.Parameter(torch.zeros(transform.parameters * latent))
        nn.init.uniform_(self.context.get_parameter("weight"), -0.07, 0.07)

    def to_noise(self, y: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        e, log_slope = self.transform.to_noise(y, self._parameters_of(context))
        return e, log_slope.sum(-1)

    def to_latent(self, e: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        y, log_slope = self.transform.to_latent(e, self._parameters_of(context))
        return y, log_slope.sum(-1)

    def _parameters_of(self, context: Tensor) -> list[Tensor]:
        raw = self.context(context) + self.bias
        return list(raw.unflatten(-1, (-1, self.transform.parameters)).unbind(-1))
