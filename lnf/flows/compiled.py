"""Inverses that numba compiles: whether there is a compiler, when a compiled inverse is used, weights as it reads them.

PyTorch is slow at these loops. The plain definitions are where the kernels are called: tests compare each kernel with
its definition, which also runs on a GPU, where a gradient is wanted, and where numba is missing.
"""

import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lnf.flows.transforms import Affine, NLSq

Function = TypeVar("Function", bound=Callable[..., Any])
Array = NDArray[np.float64]
Weights = tuple[Array, Array, Array, Array, Array, Array]
"""Weights and biases of the three layers of a net."""
TRANSFORMS: tuple[type, ...] = (Affine, NLSq)
"""The transforms that kernels know."""


def usable(transform: Any, *tensors: Tensor) -> bool:
    """Whether a compiled inverse does the same: of a transform that it knows, on a CPU, where no gradient is wanted."""
    wanted = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return type(transform) in TRANSFORMS and not wanted and tensors[0].device.type == "cpu" and available()


def doubles(tensor: Tensor) -> Array:
    """The values as a kernel reads them, all leading axes as one."""
    return np.ascontiguousarray(tensor.detach().reshape(-1, tensor.shape[-1]).double().numpy())


def features_of(features: Tensor, like: Tensor) -> Array:
    """What the context adds, a row for each of `like`."""
    return doubles(features.expand(*like.shape[:-1], features.shape[-1]))


class PackedNet:
    """A net of three linear layers as a kernel reads it, made again when its weights change."""

    def __init__(self, *layers: nn.Linear) -> None:
        self._layers = layers
        self._versions: tuple[tuple[int, int], ...] = ()
        self._weights: Weights | None = None

    def weights(self) -> Weights:
        """Weights and biases, in float64."""
        versions = tuple((one.data_ptr(), one._version) for layer in self._layers for one in layer.parameters())
        if self._weights is None or versions != self._versions:
            first, second, third = ((doubles(layer.weight), doubles(layer.bias)[0]) for layer in self._layers)
            self._versions, self._weights = versions, (*first, *second, *third)
        return self._weights


@cache
def available() -> bool:
    """Whether numba is installed."""
    return importlib.util.find_spec("numba") is not None


def compiled(function: Function) -> Function:
    """The function as numba compiles it at its first call; the code is kept next to the source for later processes.

    Without numba it stays what it is, and is not to be called.
    """
    return _compiled(function, False)


def compiled_sum(function: Function) -> Function:
    """`compiled`, for a sum whose terms may be added in any order, which vector units need."""
    return _compiled(function, {"reassoc", "contract"})


def _compiled(function: Function, fastmath: Any) -> Function:
    if not available():
        return function
    import numba

    kernel: Any = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath)(function)
    return kernel  # type: ignore[no-any-return]
