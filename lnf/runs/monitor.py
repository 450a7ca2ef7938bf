"""What people want to know of a training besides its losses: norms of gradients, seconds a step, memory.

RUN/state/monitor.jsonl has a line an epoch, RUN/monitor.parquet all of them once the run has ended. No two trainings
have the same seconds, so that they are in no file that must be equal after a kill.
"""

import json
import time
from pathlib import Path
from typing import Any

import pyarrow
import torch

from lnf.system.files import replacing
from lnf.system.processes import peak_bytes

MONITOR = pyarrow.schema(
    [("epoch", pyarrow.int32()), ("steps", pyarrow.int64())]
    + [(name, pyarrow.float64()) for name in ("gradient_norm", "gradient_norm_max", "step_seconds", "memory_gib")]
)
"""A row an epoch: steps of the optimiser so far; the norm of the gradient before it is clipped, in nats per step, its
mean and maximum over the epoch; seconds a step, without validation; the most memory so far, of the GPU if there is one.
"""
GIB = 2**30


class Monitor:
    """Watches the steps of a run in the folder RUN/state. A run that goes on in an epoch watches the rest of it."""

    def __init__(self, state: Path) -> None:
        self._path = state / "monitor.jsonl"
        self.begin()

    def begin(self) -> None:
        """Watch from here on."""
        self._norms: list[float] = []
        self._started = self._last = time.monotonic()

    def step(self, norm: float) -> None:
        """A step of the optimiser was taken, by a gradient of that norm."""
        self._norms.append(norm)
        self._last = time.monotonic()

    def end_epoch(self, epoch: int, steps: int, device: torch.device) -> None:
        """Write the line of an epoch, from 0, and watch the next. An epoch without a step of its own has none."""
        if self._norms:
            seconds = (self._last - self._started) / len(self._norms)
            mean, largest = sum(self._norms) / len(self._norms), max(self._norms)
            row = (epoch, steps, mean, largest, seconds, memory_gib(device))
            found = {row["epoch"]: row for row in self.rows()} | {epoch: dict(zip(MONITOR.names, row, strict=True))}
            with replacing(self._path, durable=False) as scratch:
                lines = (json.dumps(found[epoch]) + "\n" for epoch in sorted(found))
                scratch.write_text("".join(lines), encoding="utf-8")
        self.begin()

    def rows(self) -> list[dict[str, Any]]:
        """The rows of all epochs, each as it was trained last; none where the file was damaged."""
        try:
            return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]
        except (FileNotFoundError, ValueError):
            return []


def memory_gib(device: torch.device) -> float:
    """The most memory that this process has had, in GiB: of the GPU that it trains on, else of the machine."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    return peak_bytes() / GIB
