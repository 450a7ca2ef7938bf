"""What every flow within a time step is: a bijection of a latent vector, given a context.

Leading axes are free (`...`); H latent size. Contexts are opaque here: a `ContextFactory` builds the layer that turns
one into hidden features (a linear map of an LSTM output, or a position look-up).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol

from torch import Tensor, nn

ContextFactory = Callable[[int], nn.Module]
"""features -> module that maps a context [..., C] to [..., features], with one `weight` and no bias."""


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

    From z to noise the layers run 0..N-1, or N-1..0 if `reverse`; from noise to z the other way round."""

    def __init__(self, layers: Sequence[Layer], reverse: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.reverse = reverse

    def to_noise(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """z [..., H] to (e [..., H], log|det de/dz| [...])."""
        layers = self._chain()[::-1] if self.reverse else self._chain()
        log_det = z.new_zeros(z.shape[:-1])
        for layer in layers:
            z, layer_log_det = layer.to_noise(z, context)
            log_det = log_det + layer_log_det
        return z, log_det

    def to_latent(self, e: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """e [..., H] to (z [..., H], log|det dz/de| [...])."""
        layers = self._chain() if self.reverse else self._chain()[::-1]
        log_det = e.new_zeros(e.shape[:-1])
        for layer in layers:
            e, layer_log_det = layer.to_latent(e, context)
            log_det = log_det + layer_log_det
        return e, log_det

    def _chain(self) -> list[Layer]:
        return [layer for layer in self.layers if isinstance(layer, Layer)]
