"""What the machine gives: operations a second of matrix products by their rows, and bytes a second of a copy.

The best of several sizes and repetitions, at the threads of the measurements.
"""

import time
from collections.abc import Callable
from dataclasses import astuple, dataclass

import torch
from torch import Tensor

REPEATS = 7
LARGE = ((1024, 1024, 1024), (2048, 1024, 1024), (4096, 500, 2000))
STEP = (500, 2000)
COPIED = 256 * 2**20
"""Bytes: more than caches hold."""


@dataclass(frozen=True)
class Rates:
    """Operations a second of large products, of a recurrent one, and of two of these side by side (both directions of a
    layer); bytes a second of a copy.
    """

    large: float
    step: float
    pair: float
    copy: float

    def mean(self, later: "Rates") -> "Rates":
        """The rates half way to a later measurement."""
        return Rates(*((one + other) / 2 for one, other in zip(astuple(self), astuple(later), strict=True)))


def measure(rows: int, device: torch.device, dtype: torch.dtype = torch.float32) -> Rates:
    """The rates of a device, `rows` sequences being at a step together."""
    large = max(_product_rate(*size, device, dtype) for size in LARGE)
    step, pair = (_product_rate(rows, *STEP, device, dtype, side_by_side) for side_by_side in (1, 2))
    source = torch.empty(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return Rates(large, step, pair, 2 * COPIED / _best(lambda: target.copy_(source), device))


def _product_rate(
    rows: int, inputs: int, outputs: int, device: torch.device, dtype: torch.dtype, side_by_side: int = 1
) -> float:
    """The best of the layouts that the right side may have: an LSTM's weights are used both ways."""
    left = torch.randn(side_by_side, rows, inputs, device=device).to(dtype)
    right = torch.randn(side_by_side, inputs, outputs, device=device).to(dtype)
    turned = right.transpose(1, 2).contiguous().transpose(1, 2)
    return max(_rate(left, one) for one in (right, turned))


def _rate(left: Tensor, right: Tensor) -> float:
    out = left @ right
    operations = 2.0 * left.numel() * right.shape[-1]
    calls = max(1, int(2e8 / operations))  # so that a clock can tell

    def many() -> None:
        for _ in range(calls):
            torch.bmm(left, right, out=out)

    return calls * operations / _best(many, left.device)


def _best(call: Callable[[], Tensor | None], device: torch.device) -> float:
    """Seconds of the fastest call."""
    call()
    best = float("inf")
    for _ in range(REPEATS):
        wait(device)
        start = time.perf_counter()
        call()
        wait(device)
        best = min(best, time.perf_counter() - start)
    return best


def wait(device: torch.device) -> None:
    """Until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
