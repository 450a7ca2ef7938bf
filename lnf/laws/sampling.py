"""Laws of sampling: samples have the density that the model states. Fixed seeds, a few standard errors.

Axes: N draws, X all sequences of a length, B batch, T time, H latent size.
"""

import torch
from torch import Tensor

from lnf.corpora.batches import SequenceBatch, mask_of
from lnf.flows.base import Prior
from lnf.laws.laws import BrokenLaw, every_sequence
from lnf.models.base import SequenceModel
from lnf.models.latent import LatentModel
from lnf.models.objectives import log_weights

DRAWS = 4000
ERRORS = 4.5
"""Standard errors that a mean may be off: a hundred means of a right sampler stay within."""


@torch.no_grad()
def samples_agree_with_the_density(prior: Prior, lengths: tuple[int, ...] = (3, 2)) -> None:
    """z ~ p(z|T), sent back to noise, is standard normal: means 0, second moments the identity, zero on padding."""
    mask_BT = mask_of(torch.tensor(lengths)).repeat(DRAWS, 1)
    z_BTH = prior.sample(mask_BT, torch.Generator().manual_seed(0))
    if (z_BTH[~mask_BT] != 0).any():
        raise BrokenLaw("samples agree with the density: a sample is not zero on padding")
    e_BTH = prior.to_noise(z_BTH, mask_BT)[0]
    for row, length in enumerate(lengths):
        e_NE = e_BTH[row :: len(lengths), :length].flatten(1)
        products_NEE = e_NE[:, :, None] * e_NE[:, None]
        _require_mean(e_NE, torch.zeros_like(e_NE[0]), "means of the noise")
        _require_mean(products_NEE, torch.eye(e_NE.shape[1]).to(e_NE), "second moments of the noise")


@torch.no_grad()
def samples_agree_with_the_likelihood(model: SequenceModel, kind: str, width: int, steps: int = 2) -> None:
    """Every sequence of a length comes up as often as its likelihood says; of a latent model, as the mean of p(x|z)
    over the prior says.
    """
    every = every_sequence(kind, width, steps)
    lengths_N = torch.full((DRAWS,), steps)
    drawn = model.sample(lengths_N, torch.Generator().manual_seed(0)).x
    hits_NX = (drawn[:, None] == every.x[None]).flatten(2).all(-1).to(torch.get_default_dtype())
    if not (hits_NX.sum(1) == 1).all():
        raise BrokenLaw("samples agree with the likelihood: a sample is no sequence of the asked length")
    p_NX = _probabilities(model, every)
    error_X = (p_NX.var(0, correction=0) / len(p_NX) + p_NX.mean(0) * (1 - p_NX.mean(0)) / DRAWS).sqrt()
    _require_within("sequences", hits_NX.mean(0) - p_NX.mean(0), error_X)


def _probabilities(model: SequenceModel, every: SequenceBatch) -> Tensor:
    """p(x|T) of each sequence [1, X], or p(x|z) [N, X] for draws of z."""
    if not isinstance(model, LatentModel):
        return log_weights(model.terms(every, 1)).exp()
    draws = DRAWS // 4
    mask_NT = torch.ones(draws, every.x.shape[1], dtype=torch.bool)
    z_NTH = model.prior.sample(mask_NT, torch.Generator().manual_seed(1))
    z_NXTH = z_NTH[:, None].expand(-1, len(every.x), -1, -1)
    return (-model.distortion_steps(z_NXTH.flatten(0, 1), every).sum(-1)).exp()


def _require_mean(x_NE: Tensor, right_E: Tensor, what: str) -> None:
    _require_within(what, x_NE.mean(0) - right_E, x_NE.std(0) / len(x_NE) ** 0.5)


def _require_within(what: str, difference: Tensor, error: Tensor) -> None:
    excess = (difference.abs() - ERRORS * error).max().item()
    if not excess <= 1e-9:
        worst = (difference.abs() / error).max().item()
        raise BrokenLaw(f"samples agree: {what} are off by {worst:.1f} standard errors, allowed {ERRORS}")
