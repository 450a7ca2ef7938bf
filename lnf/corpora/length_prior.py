"""p(T), the probability of a sequence's length: a histogram (docs/paper.md 3e "Length prior")."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lnf.spec import Lengths


def length_log_probs(lengths: Sequence[int], settings: Lengths) -> Tensor:
    """log p(T) for T = 0..M, [M + 1], float64, from the lengths of kept train and valid sequences."""
    max_length = int(settings.headroom * max(lengths))
    counts = torch.bincount(torch.tensor(lengths), minlength=max_length + 1).double()
    if settings.smoothing == "add_one":
        counts = counts + 1
    return torch.log(counts / counts.sum())
