"""What a model says of a batch, and the objective and bounds made of it. Everything in nats per sequence.

Axes: S or K posterior samples, B batch.
"""

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class Terms:
    """Per sequence and posterior sample, in nats.

    distortion [S, B] = -log p(x|z), rate [S, B] = log q(z|x) - log p(z|T). An exact model has S = 1, no rate, and its
    distortion is -log p(x|T).
    """

    distortion_SB: Tensor
    rate_SB: Tensor | None
    log_p_length_B: Tensor


@dataclass(frozen=True)
class Objective:
    """Per sequence, means over posterior samples: loss = reconstruction + beta kl - log p(T), or a tighter bound.

    `kl` is the sampled rate; None for a model with an exact likelihood, whose reconstruction is -log p(x|T).
    """

    loss_B: Tensor
    reconstruction_B: Tensor
    kl_B: Tensor | None
    length_B: Tensor


def objective(terms: Terms, beta: float, bound: Literal["elbo", "iwae"] = "elbo") -> Objective:
    """The loss whose mean over L_i / (T_i + 1) is minimised (docs/paper.md 3e "Objective").

    `bound`: the mean over samples, or the importance-weighted bound of them, which is tighter (Burda et al. 2016).
    """
    reconstruction_B = terms.distortion_SB.mean(0)
    loss_B = reconstruction_B - terms.log_p_length_B
    kl_B = None
    if terms.rate_SB is not None:
        kl_B = terms.rate_SB.mean(0)
        if bound == "iwae":
            loss_B = -iwae_bound(-(terms.distortion_SB + beta * terms.rate_SB)) - terms.log_p_length_B
        else:
            loss_B = loss_B + beta * kl_B
    return Objective(loss_B, reconstruction_B, kl_B, -terms.log_p_length_B)


def log_weights(terms: Terms) -> Tensor:
    """log p(x, z|T) - log q(z|x) of each sample, [S, B]; of an exact model, its log p(x|T)."""
    return -terms.distortion_SB if terms.rate_SB is None else -(terms.distortion_SB + terms.rate_SB)


def iwae_bound(log_weights_KB: Tensor) -> Tensor:
    """Lower bound on log p(x|T), [B], from K importance weights of whole sequences (Burda et al. 2016)."""
    return log_weights_KB.logsumexp(0) - math.log(len(log_weights_KB))
