"""What a run asks of the process that it is in."""

import os

import torch

from lnf.system.allocator import keep_freed_memory

CACHED_SHAPES = {"LRU_CACHE_CAPACITY": "64", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64"}
"""How many shapes of products oneDNN and PyTorch's layer above it remember. Batches have ever new lengths: at the
thousand that is usual, a run in bfloat16 grows by gigabytes and is no faster."""


def settle(threads: int) -> None:
    """Take `threads` threads for every product, keep freed memory, and bound the memory of shapes, before the first
    product; a user's own settings of the last stay."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    for name, value in CACHED_SHAPES.items():
        os.environ.setdefault(name, value)
