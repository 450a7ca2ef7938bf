"""In which dtype matrix products are taken; all else keeps the dtype of the weights.

bfloat16 has the range of float32 and 8 bits of its mantissa, and products of it are several times as fast where the
machine has units for it. Only products use it: neither cells, gates, scalar transforms and densities nor the optimiser.
"""

from contextlib import AbstractContextManager

import torch
from torch import Tensor


def products_in(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """A block whose matrix products are taken in "bfloat16", or in the weights' own dtype ("float32")."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def product_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype of products with a tensor here."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype
