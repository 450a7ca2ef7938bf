"""Linear maps of the model, in the dtype of their weights whatever their products are taken in.

Products may be taken in bfloat16 (`products_in`), which has the range of float32 and 8 bits of its mantissa and is
several times as fast where the machine has units for it. Cells, gates, transforms, densities and optimiser are not.

In a loop over time the gradient of a weight would be made at every step, from a few rows, and added up. Within
`gathered_gradients` inputs and gradients of all steps are kept, and it is one product after the loop.

Axes: N rows of a step, I inputs, O outputs, T steps of the loop.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b, [..., O]."""
    loop = _LOOP.get()
    if loop is not None and torch.is_grad_enabled() and _of_a_parameter(weight):
        return loop.gatherer(x, weight)(x) if bias is None else loop.gatherer(x, weight)(x) + bias
    return nn.functional.linear(x, weight, bias).to(weight.dtype)


class Linear(nn.Linear):
    """`nn.Linear` by `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def add_product(out: Tensor, left: Tensor, right: Tensor) -> None:
    """out += left @ right, of matrices or batches of them, the product taken in the dtype of `right`.

    PyTorch adds to batches in place only where they lie side by side; else it takes them one after another.
    """
    if right.dtype != out.dtype or not out.is_contiguous():
        out += left.to(right.dtype) @ right
    elif out.dim() == 2:
        torch.addmm(out, left, right, out=out)
    else:
        torch.baddbmm(out, left, right, out=out)


@contextmanager
def gathered_gradients(steps: int) -> Iterator[None]:
    """A loop of `steps` steps, each of which may use a weight once: the gradients of all are one product."""
    token = _LOOP.set(_Loop(steps))
    try:
        yield
    finally:
        _LOOP.reset(token)


class _Loop:
    """The weights of a loop by where they lie: a view that is taken again at every step is the same weight."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._gatherers: dict[tuple[Any, ...], _Gatherer] = {}

    def gatherer(self, x: Tensor, weight: Tensor) -> "_Gatherer":
        key = (weight.data_ptr(), weight.shape, weight.stride(), x.shape[:-1])
        found = self._gatherers.get(key)
        if found is None or len(found.inputs) == self._steps:
            found = self._gatherers[key] = _Gatherer(weight, x.shape[:-1], self._steps)
        return found


_LOOP: ContextVar[_Loop | None] = ContextVar("_LOOP", default=None)


class _Gatherer:
    """Products with one weight. Each has a slot, through which autograd brings its gradient to the weight's own."""

    def __init__(self, weight: Tensor, rows: torch.Size, steps: int) -> None:
        self.inputs: list[Tensor] = []
        slots: Tensor = _Gather.apply(weight, (steps, *rows), self.inputs)  # type: ignore[no-untyped-call]
        self._slots = slots.unbind()
        self._weight = weight.detach().to(product_dtype(weight))

    def __call__(self, x: Tensor) -> Tensor:
        slot = self._slots[len(self.inputs)]
        self.inputs.append(x.detach().to(self._weight.dtype))
        product: Tensor = _Product.apply(x, slot, self.inputs[-1], self._weight)  # type: ignore[no-untyped-call]
        return product


class _Gather(torch.autograd.Function):
    """Slots [T, N, O], whose values nobody reads, and the gradient of the weight from theirs."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, shape: tuple[int, ...], inputs: list[Tensor]) -> Tensor:
        ctx.inputs, ctx.dtype = inputs, weight.dtype
        return weight.new_zeros(1).expand(*shape, len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        inputs = torch.stack(ctx.inputs).flatten(0, -2)
        d_outputs = grads[0][: len(ctx.inputs)].flatten(0, -2).to(inputs.dtype)
        return (d_outputs.T @ inputs).to(ctx.dtype), None, None


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slot: Tensor, low: Tensor, weight: Tensor) -> Tensor:
        ctx.weight = weight
        return (low @ weight.T).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (grad,) = grads
        return (grad.to(ctx.weight.dtype) @ ctx.weight).to(grad.dtype), grad, None, None


def _of_a_parameter(weight: Tensor) -> bool:
    """Whether it is a parameter or a view of one; what is computed at every step has no gradient to share."""
    base = weight if weight._base is None else weight._base
    return base.is_leaf and base.requires_grad


def products_in(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """A block whose matrix products are taken in "bfloat16", or in the weights' own dtype ("float32")."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def product_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype of products with a tensor here."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype
