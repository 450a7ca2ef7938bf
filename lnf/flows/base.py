"""The bases of all flows: a scalar transform, a flow within a time step, and a prior over latent sequences.

Axes: B batch, T time, H latent size; leading axes are free (`...`). `mask_BT` is true on real steps; sequences start at
step 0. Every way of a flow returns the value together with its log-derivative or log-determinant, in nats.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol, cast

import torch
from torch import Tensor, nn

from lnf.nn.linear import Linear

ContextFactory = Callable[[int], nn.Module]
"""features -> module that maps a context [..., C] to [..., features], with one `weight` and no bias."""
Context = int | ContextFactory
"""What a flow within a step is given: the size of a context that linear maps read, or the factory of other readers."""


class Transform(Protocol):
    """A scalar bijection and its log-derivative, elementwise, from raw parameters."""

    parameters: ClassVar[int]

    @staticmethod
    def to_noise(y: Tensor, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(e, log de/dy)."""

    @staticmethod
    def to_latent(e: Tensor, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(y, log dy/de)."""


class Layer(nn.Module, ABC):
    """One bijection of a chain; log-determinants [...] in nats."""

    @abstractmethod
    def to_noise(self, y: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """y [..., H] to (e [..., H], log|det de/dy| [...])."""

    @abstractmethod
    def to_latent(self, e: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """e [..., H] to (y [..., H], log|det dy/de| [...])."""


class HiddenFlow(nn.Module):
    """A chain of layers, each given the same context (paper, section 4.2; docs/paper.md 3e "Hidden flow").

    From z to noise the layers run 0..N-1, or N-1..0 if `reverse`; from noise to z the other way round.
    """

    def __init__(self, layers: Sequence[Layer], reverse: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.reverse = reverse

    def to_noise(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """z [..., H] to (e [..., H], log|det de/dz| [...])."""
        log_det = z.new_zeros(z.shape[:-1])
        for layer in self._chain(backward=self.reverse):
            z, layer_log_det = layer.to_noise(z, context)
            log_det = log_det + layer_log_det
        return z, log_det

    def to_latent(self, e: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """e [..., H] to (z [..., H], log|det dz/de| [...])."""
        log_det = e.new_zeros(e.shape[:-1])
        for layer in self._chain(backward=not self.reverse):
            e, layer_log_det = layer.to_latent(e, context)
            log_det = log_det + layer_log_det
        return e, log_det

    def log_prob(self, z: Tensor, context: Tensor) -> Tensor:
        """log density of z [..., H] given the context [..., C], [...], in nats."""
        e, log_det = self.to_noise(z, context)
        return standard_normal(e) + log_det

    def _chain(self, backward: bool) -> list[Layer]:
        layers = [cast(Layer, layer) for layer in self.layers]
        return layers[::-1] if backward else layers


HiddenFactory = Callable[..., HiddenFlow]
"""The class of a hidden flow with its settings, as `partial(CouplingHidden, NLSq(), layers=5)`. A prior calls it with
`latent`, `context` and perhaps `reverse`."""


class Prior(nn.Module, ABC):
    """p(z|T) = N(e; 0, I) |det de/dz| over the valid steps of each sequence (paper, section 4).

    A subclass gives the two ends of its flow step by step (`noise_steps`, `latent_steps`); this class does the only
    summing over time and the only masking. Every subclass is constructed with `hidden`, the factory of its flow within
    a step, and by name with `latent` (size H), `max_length` (M), and `units`, `layers` and `dropout` of its network.

    Attributes:
        causal: whether e_t depends on no later z; then a sequence can be continued step by step. A density need not be.
    """

    causal: ClassVar[bool] = True

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.latent = latent

    @abstractmethod
    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(e [B, T, H], log|det de_t/dz_t| [B, T]); padding may hold anything finite."""

    @abstractmethod
    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(z [B, T, H], log|det dz_t/de_t| [B, T]); padding may hold anything finite."""

    def to_noise(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(e [B, T, H], zero on padding; log|det de/dz| [B])."""
        return _masked(*self.noise_steps(z_BTH, mask_BT), mask_BT)

    def to_latent(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(z [B, T, H], zero on padding; log|det dz/de| [B])."""
        return _masked(*self.latent_steps(e_BTH, mask_BT), mask_BT)

    def log_prob(self, z_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """log p(z|T) of each sequence, [B], in nats."""
        e_BTH, log_det_B = self.to_noise(z_BTH, mask_BT)
        return standard_normal(e_BTH).masked_fill(~mask_BT, 0).sum(1) + log_det_B

    def sample(self, mask_BT: Tensor, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """z of e ~ N(0, temperature^2 I), which is z ~ p(z|T) if it is 1, [B, T, H], zero on padding."""
        weight, shape = next(self.parameters()), (*mask_BT.shape, self.latent)
        e_BTH = torch.randn(shape, generator=generator, dtype=weight.dtype, device=weight.device)
        return self.to_latent(e_BTH * temperature, mask_BT)[0]


def standard_normal(e: Tensor) -> Tensor:
    """log N(e; 0, I) of e [..., H], [...], in nats."""
    return -0.5 * (math.log(2 * math.pi) + e * e).sum(-1)


def reader(context: Context, features: int) -> nn.Module:
    """The layer of a hidden flow that maps a context to features."""
    return Linear(context, features, bias=False) if isinstance(context, int) else context(features)


def _masked(x_BTH: Tensor, log_det_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
    return x_BTH.masked_fill(~mask_BT[..., None], 0), log_det_BT.masked_fill(~mask_BT, 0).sum(1)
