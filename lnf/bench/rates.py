"""What the machine gives: operations a second of matrix products by their rows, and bytes a second of a copy.

The best of several sizes and repetitions, at the threads that the measurements beside it use.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

REPEATS = 7
LARGE = ((1024, 1024, 1024), (2048, 1024, 1024), (4096, 500, 2000))
STEP = (500, 2000)
COPIED = 256 * 2**20
"""Bytes: more than caches hold."""


@dataclass(frozen=True)
class Rates:
    """Operations a second of large products and of those with `rows` rows; bytes a second of a copy."""

    large: float
    step: dict[int, float]
    copy: float

    def drift(self, later: "Rates") -> float:
        """The largest relative difference of a later measurement."""
        pairs = [(self.large, later.large), (self.copy, later.copy)]
        pairs += [(rate, later.step[rows]) for rows, rate in self.step.items()]
        return max(abs(one - other) / max(one, other) for one, other in pairs)


def measure(rows: set[int], device: torch.device, dtype: torch.dtype = torch.float32) -> Rates:
    """The rates of a device."""
    large = max(_product_rate(*size, device, dtype) for size in LARGE)
    step = {count: _product_rate(count, *STEP, device, dtype) for count in sorted(rows)}
    source = torch.empty(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return Rates(large, step, 2 * COPIED / _best(lambda: target.copy_(source), device))


def _product_rate(rows: int, inputs: int, outputs: int, device: torch.device, dtype: torch.dtype) -> float:
    left, right = torch.randn(rows, inputs, device=device), torch.randn(inputs, outputs, device=device)
    left, right = left.to(dtype), right.to(dtype)
    out = left @ right
    operations = 2.0 * rows * inputs * outputs
    calls = max(1, int(2e8 / operations))  # so that a clock can tell

    def many() -> None:
        for _ in range(calls):
            torch.mm(left, right, out=out)

    return calls * operations / _best(many, device)


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
