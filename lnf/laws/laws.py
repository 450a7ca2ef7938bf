"""Laws that every model and prior obeys, as functions that raise `BrokenLaw`.

They run in float64 on small instances: in pytest on what is built in, and in the `check` rule on every variant before
it may train. Axes: B batch, T time, H latent size, K importance samples.
"""

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from lnf.corpora.batches import SequenceBatch, mask_of
from lnf.flows.base import Prior
from lnf.kinds.base import kind_of
from lnf.laws.instances import tensor_of
from lnf.models.autoregressive import AutoregressiveModel
from lnf.models.base import SequenceModel
from lnf.models.latent import LatentModel
from lnf.models.objectives import iwae_bound, log_weights, objective

Law = TypeVar("Law", bound=Callable[..., None])
DRAWS = 4000
ERRORS = 4.5
"""Standard errors that a mean may be off: a hundred means of a right sampler stay within."""

EXACT = 1e-8
"""Absolute tolerance of identities in float64."""
SINGLE = 1e-4
"""Relative tolerance of float32 against float64."""


class BrokenLaw(Exception):
    """A law does not hold; the message names it and by how much."""


CAUSES: dict[str, str] = {}
"""Law -> its usual cause, where it does not hold."""


def usual_cause(cause: str) -> Callable[[Law], Law]:
    """Note the usual cause of a law that does not hold."""

    def noted(law: Law) -> Law:
        CAUSES[law.__name__] = cause
        return law

    return noted


def _require_close(law: str, found: Tensor, right: Tensor, tolerance: float = EXACT) -> None:
    error = (found - right).abs().max().item()
    if not error <= tolerance:
        raise BrokenLaw(f"{law}: off by {error:.3g}, allowed {tolerance:.3g}")


@usual_cause("to_latent does not undo to_noise, or limits values that to_noise accepts")
def invertible(prior: Prior, z_BTH: Tensor, mask_BT: Tensor) -> None:
    """z -> noise -> z returns, and the log-determinants of the two ways cancel."""
    e_BTH, log_det_B = prior.to_noise(z_BTH, mask_BT)
    back_BTH, log_det_back_B = prior.to_latent(e_BTH, mask_BT)
    _require_close("invertible", back_BTH, z_BTH * mask_BT[..., None])
    _require_close("invertible (log-determinants)", log_det_back_B, -log_det_B)


@usual_cause("a term of the log-determinant is missing, or has the other sign")
def log_det_is_the_jacobians(prior: Prior, z_BTH: Tensor, mask_BT: Tensor, rows: int | None = None) -> None:
    """log|det de/dz| over the valid steps of each sequence (or of the first `rows`) equals that of autograd's
    Jacobian.
    """
    _, log_det_B = prior.to_noise(z_BTH, mask_BT)
    for row, jacobian in enumerate(_jacobians(prior, z_BTH, mask_BT, rows)):
        _require_close("log-determinant", log_det_B[row], torch.linalg.slogdet(jacobian.flatten(2).flatten(0, 1))[1])


@usual_cause("noise_steps sees z_{t+1}; a prior that may declares `causal = False`")
def causal(prior: Prior, z_BTH: Tensor, mask_BT: Tensor, rows: int | None = None) -> None:
    """The noise of a step does not depend on later latent vectors, in all sequences or the first `rows`."""
    for jacobian_THTH in _jacobians(prior, z_BTH, mask_BT, rows):
        influence_TT = jacobian_THTH.abs().amax((1, 3))
        _require_close("causal", influence_TT.triu(1), torch.zeros_like(influence_TT), 0.0)


@usual_cause("a sum, mean or reversal over time does not stop at the end of the sequence")
def padding_invariant(prior: Prior, z_BTH: Tensor, mask_BT: Tensor) -> None:
    """Neither the values on padding nor its amount change the density or the noise."""
    log_p_B = prior.log_prob(z_BTH, mask_BT)
    other_BTH = torch.where(mask_BT[..., None], z_BTH, z_BTH + 1.5)
    wider_BTH = torch.nn.functional.pad(other_BTH, (0, 0, 0, 2), value=0.7)
    wider_mask_BT = torch.nn.functional.pad(mask_BT, (0, 2))
    _require_close("padding-invariant", prior.log_prob(wider_BTH, wider_mask_BT), log_p_B)


@usual_cause("a mean or a normalisation over the batch")
def batch_independent(prior: Prior, z_BTH: Tensor, mask_BT: Tensor) -> None:
    """A sequence has the density that it has alone."""
    together_B = prior.log_prob(z_BTH, mask_BT)
    alone = [
        prior.log_prob(z_BTH[row : row + 1, :length], mask_BT[row : row + 1, :length])
        for row, length in enumerate(mask_BT.sum(1).tolist())
    ]
    _require_close("batch-independent", together_B, torch.cat(alone))


@usual_cause("a tensor is detached or rounded on the way")
def gradients_of_latents(prior: Prior, z_BTH: Tensor, mask_BT: Tensor) -> None:
    """Every valid element of z gets a gradient through log_prob, and it is the true one (central differences).

    A copy that was detached on the way still leaves some gradient; only the comparison finds it.
    """
    z_BTH = z_BTH.detach().requires_grad_()
    (gradient_BTH,) = torch.autograd.grad(prior.log_prob(z_BTH, mask_BT).sum(), z_BTH)
    valid_BTH = mask_BT[..., None].expand_as(z_BTH)
    if not (gradient_BTH[valid_BTH] != 0).all():
        raise BrokenLaw("gradients of latents: a valid element of z gets none through log_prob")
    _require_close("gradients of latents (padding)", gradient_BTH[~valid_BTH], torch.zeros(1).to(z_BTH), 0.0)
    with torch.no_grad():
        for index in valid_BTH.nonzero():
            step = torch.zeros_like(z_BTH)
            step[tuple(index)] = 1e-5
            rise = prior.log_prob(z_BTH + step, mask_BT).sum() - prior.log_prob(z_BTH - step, mask_BT).sum()
            slope = gradient_BTH[tuple(index)]
            _require_close("gradients of latents", rise / 2e-5, slope, 1e-5 * (1 + slope.abs().item()))


@usual_cause("something other than lnf.nn.dropout.Dropout depends on self.training")
def prior_is_the_same_in_training(prior: Prior, z_BTH: Tensor, mask_BT: Tensor) -> None:
    """Without dropout, training mode changes neither way of the flow."""
    with torch.no_grad():
        wanted = _both_ways(prior, z_BTH, mask_BT)
        prior.train()
        try:
            found = _both_ways(prior, z_BTH, mask_BT)
        finally:
            prior.eval()
    for one, other in zip(found, wanted, strict=True):
        _require_close("the same in training mode", one, other)


@usual_cause("a constant or a cast that only suits float64")
def prior_is_the_same_in_float32(prior: Prior, z_BTH: Tensor, mask_BT: Tensor) -> None:
    """Both ways of the flow in float32, in which runs train, are those in float64 to SINGLE, relatively."""
    single = copy.deepcopy(prior).float()
    with torch.no_grad():
        pairs = zip(_both_ways(single, z_BTH.float(), mask_BT), _both_ways(prior, z_BTH, mask_BT), strict=True)
        for found, wanted in pairs:
            _require_close_in_single("the same in float32", found, wanted)


@usual_cause("something other than lnf.nn.dropout.Dropout depends on self.training")
def model_is_the_same_in_training(model: SequenceModel, batch: SequenceBatch) -> None:
    """Without dropout, training mode changes no term."""
    noise_SBTH = model.draw_noise(batch, 2, _noise())
    with torch.no_grad():
        wanted = log_weights(model.terms_given(batch, noise_SBTH))
        model.train()
        try:
            found = log_weights(model.terms_given(batch, noise_SBTH))
        finally:
            model.eval()
    _require_close("the same in training mode", found, wanted)


@usual_cause("a constant or a cast that only suits float64")
def model_is_the_same_in_float32(model: SequenceModel, batch: SequenceBatch) -> None:
    """The terms in float32 are those in float64 to SINGLE, relatively."""
    noise_SBTH = model.draw_noise(batch, 2, _noise())
    single = copy.deepcopy(model).float()
    x = batch.x.float() if batch.x.is_floating_point() else batch.x
    with torch.no_grad():
        found = log_weights(single.terms_given(SequenceBatch(x, batch.mask_BT), noise_SBTH.float()))
        _require_close_in_single("the same in float32", found, log_weights(model.terms_given(batch, noise_SBTH)))


@usual_cause("the log-determinant is wrong far from 0, or too much of the density lies beyond 14")
def integrates_to_one(prior: Prior, half_width: float = 14.0, points: int = 301) -> None:
    """The density of a single step of a prior with H = 2 integrates to 1 on a grid."""
    axis = torch.linspace(-half_width, half_width, points, dtype=torch.float64)
    z_N1H = torch.cartesian_prod(axis, axis)[:, None]
    with torch.no_grad():
        log_p_N = prior.log_prob(z_N1H, torch.ones(len(z_N1H), 1, dtype=torch.bool))
    cell = (2 * half_width / (points - 1)) ** 2
    _require_close("density integrates to 1", log_p_N.exp().sum() * cell, torch.ones((), dtype=torch.float64), 5e-3)


@usual_cause("a parameter is not used, or what it gives is detached")
def parameters_get_gradients(model: SequenceModel, batch: SequenceBatch) -> None:
    """Every parameter tensor gets a gradient from the training objective on a batch with T >= 3."""
    model.zero_grad()
    objective(model.terms(batch, 1, _noise()), beta=1.0).loss_B.sum().backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is None or not (parameter.grad != 0).any():
            raise BrokenLaw(f"parameters get gradients: {name} gets none")
    model.zero_grad()


@usual_cause("terms_given gives other terms for the same noise")
def rate_plus_distortion(model: SequenceModel, batch: SequenceBatch) -> None:
    """At beta = 1 the objective is -elbo - log p(T): rate + distortion = -mean log importance weight."""
    terms = model.terms(batch, 3, _noise())
    found, elbo_B = objective(terms, beta=1.0), log_weights(terms).mean(0)
    _require_close("rate + distortion = -elbo", found.loss_B - found.length_B, -elbo_B)
    beta_half = objective(terms, beta=0.5)
    kl_B = 0 if found.kl_B is None else found.kl_B
    _require_close("beta weighs the rate", found.loss_B - beta_half.loss_B, torch.zeros_like(elbo_B) + 0.5 * kl_B)


@usual_cause("samples of one sequence are mixed")
def bound_grows_with_samples(model: SequenceModel, batch: SequenceBatch, samples: int = 6) -> None:
    """For one set of K weights, the mean of the K leave-one-out bounds is at most the bound of all."""
    log_w_KB = log_weights(model.terms(batch, samples, _noise()))
    count = len(log_w_KB)
    whole_B = iwae_bound(log_w_KB)
    _require_at_most("elbo <= importance bound", log_w_KB.mean(0), whole_B)
    if count > 1:
        left_out = [iwae_bound(torch.cat([log_w_KB[:k], log_w_KB[k + 1 :]])) for k in range(count)]
        _require_at_most("importance bound grows with K", torch.stack(left_out).mean(0), whole_B)


@usual_cause("what is on padding reaches a real step")
def model_ignores_padding(model: SequenceModel, batch: SequenceBatch) -> None:
    """A sequence has the same terms alone and in a batch with more padding and other values on it."""
    extra = (0, 2) if batch.x.dim() == 2 else (0, 0, 0, 2)
    x = torch.nn.functional.pad(batch.x, extra)
    mask_BT = torch.nn.functional.pad(batch.mask_BT, (0, 2))
    x = torch.where(mask_BT.view(*mask_BT.shape, *[1] * (x.dim() - 2)), x, torch.ones_like(x))
    noise_SBTH = model.draw_noise(batch, 2, _noise())
    padded = model.terms_given(SequenceBatch(x, mask_BT), torch.nn.functional.pad(noise_SBTH, (0, 0, 0, 2), value=0.7))
    for row, length in enumerate(batch.lengths_B.tolist()):
        one = SequenceBatch(batch.x[row : row + 1, :length], batch.mask_BT[row : row + 1, :length])
        alone = model.terms_given(one, noise_SBTH[:, row : row + 1, :length])
        _require_close("model ignores padding", log_weights(padded)[:, row], log_weights(alone)[:, 0])


@usual_cause("x_t is among the inputs of its own prediction")
def normalised(model: SequenceModel, kind: str, width: int, steps: int) -> None:
    """The exact likelihoods of all sequences of a length sum to 1: of texts of `width` symbols, music of that many
    keys.
    """
    with torch.no_grad():
        log_p_B = log_weights(model.terms(every_sequence(kind, width, steps), 1))[0]
    _require_close("likelihoods sum to 1", log_p_B.exp().sum(), torch.ones((), dtype=log_p_B.dtype))


@usual_cause("stepper forgets earlier steps, or is one step off")
def stepper_gives_the_features(model: AutoregressiveModel, batch: SequenceBatch) -> None:
    """The features of a sequence step by step, which samples are drawn from, are those of the likelihood."""
    step, x = model.stepper(batch.mask_BT), batch.x
    with torch.no_grad():
        found = torch.stack([step(x[:, t - 1] if t else None) for t in range(x.shape[1])], 1)
        right = model.features(batch)
    _require_close("features step by step", found[batch.mask_BT], right[batch.mask_BT])


def every_sequence(kind: str, width: int, steps: int) -> SequenceBatch:
    """All sequences of a length of a kind with finitely many values, of `width` symbols, keys or columns."""
    values = tensor_of(kind, kind_of(kind).values(width))
    x = values[torch.cartesian_prod(*[torch.arange(len(values))] * steps)]
    return SequenceBatch(x, torch.ones(x.shape[:2], dtype=torch.bool))


def _noise() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _require_at_most(law: str, low: Tensor, high: Tensor) -> None:
    excess = (low - high).max().item()
    if not excess <= EXACT:
        raise BrokenLaw(f"{law}: exceeded by {excess:.3g}")


def _jacobians(prior: Prior, z_BTH: Tensor, mask_BT: Tensor, rows: int | None) -> list[Tensor]:
    """de/dz over the valid steps of each of the first `rows` sequences, [T, H, T, H] each."""
    return [
        torch.autograd.functional.jacobian(_noise_of(prior, mask_BT[row : row + 1, :length]), z_BTH[row, :length])
        for row, length in enumerate(mask_BT[:rows].sum(1).tolist())
    ]


def _both_ways(prior: Prior, z_BTH: Tensor, mask_BT: Tensor) -> list[Tensor]:
    """Noise and log-determinant, and latents and log-determinant of half the latents taken as noise."""
    return [*prior.to_noise(z_BTH, mask_BT), *prior.to_latent(z_BTH / 2, mask_BT)]


def _require_close_in_single(law: str, found: Tensor, right: Tensor) -> None:
    error = ((found.double() - right).abs() / (1 + right.abs())).max().item()
    if not error <= SINGLE:
        raise BrokenLaw(f"{law}: off by {error:.3g} relatively, allowed {SINGLE:.3g}")


def _noise_of(prior: Prior, mask_1T: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda z_TH: prior.to_noise(z_TH[None], mask_1T)[0][0]


@usual_cause("latent_steps is not the inverse of noise_steps at each step")
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


@usual_cause("sample draws from another distribution than terms_given scores")
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
