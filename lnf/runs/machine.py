"""What a run asks of the process that it is in."""

import torch

from lnf.system.allocator import keep_freed_memory


def settle(threads: int) -> None:
    """Take `threads` threads for every product, and keep freed memory."""
    torch.set_num_threads(threads)
    keep_freed_memory()
