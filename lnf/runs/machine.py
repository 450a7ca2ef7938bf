"""Process-wide settings of a run: threads, allocator, caches of shapes."""

import ctypes
import os
import sys
from collections.abc import Mapping
from typing import Any

import torch

CACHED_SHAPES = {"LRU_CACHE_CAPACITY": "64", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64"}
"""How many shapes of products oneDNN and PyTorch's layer above it remember. Batches have ever new lengths: at the
thousand that is usual, a run in bfloat16 grows by gigabytes and is no faster."""

BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")
"""A processor's instructions for products in bfloat16, as PyTorch names them; any of them will do."""

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_LARGEST = 2**31 - 1


def settle(threads: int) -> None:
    """Take `threads` threads for every product, keep freed memory, and bound the memory of shapes, before the first
    product; a user's own settings of the last stay."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    for name, value in CACHED_SHAPES.items():
        os.environ.setdefault(name, value)


def device_of(gpus: float | str) -> torch.device:
    """Where a run computes: on a GPU, if there is one and its `resources.gpus` is not 0."""
    return torch.device("cuda" if torch.cuda.is_available() and gpus != 0 else "cpu")


def processor() -> Mapping[str, Any]:
    """What this machine's processor can do; empty where this PyTorch cannot tell."""
    found = getattr(torch.cpu, "get_capabilities", None)
    return found() if found else {}


def slow_precision(precision: str, device: torch.device, can: Mapping[str, Any]) -> str | None:
    """What to do about a precision that the processor has to emulate, by what it `can` do; None if it is not so."""
    has_it = not can or any(can.get(name) for name in BFLOAT16)
    if precision != "bfloat16" or device.type != "cpu" or has_it:
        return None
    return (
        "model.precision: bfloat16: this processor has no instructions for it and takes several times as long as in"
        " float32; use float32, a GPU, or a processor with AVX512-BF16 or AMX"
    )


def keep_freed_memory() -> bool:
    """Have this process keep the memory that it frees; False where the C library has no such setting.

    glibc maps big buffers one by one and returns each to the system, which clears new pages: much of a training step.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's: others have no such call
    return mallopt is not None and bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _LARGEST))
