"""The latent-variable model p(T) p(z|T) prod_t p(x_t|z) with a flow prior (paper, section 4; docs/paper.md 3e).

Axes: S samples, B batch, T time, H latent size.
"""

from typing import ClassVar

import torch
from torch import Tensor

from lnf.corpora.batches import CorpusShape, SequenceBatch, mask_of
from lnf.models.base import FROM_THE_MODEL, Sampling, SequenceModel, Terms
from lnf.models.decoder import Decoder
from lnf.models.emission import Emission
from lnf.models.posterior import Posterior, reparameterise
from lnf.priors.base import Prior
from lnf.spec import Spec, class_of


def build_prior(spec: Spec, max_length: int) -> Prior:
    """The prior that a spec's `prior` section names, at the sizes of its `model` section."""
    size, options = spec.model, spec.options
    time, hidden, transform = (class_of(part, getattr(spec.prior, part)) for part in ("time", "hidden", "transform"))
    scalar = transform(**options.transform)
    prior: Prior = time(
        lambda context, reverse: hidden(
            scalar, size.latent, size.flow_layers, size.flow_hidden, context=context, reverse=reverse, **options.hidden
        ),
        size.latent,
        max_length,
        size.hidden,
        size.layers,
        size.dropout,
        **options.time,
    )
    return prior


class LatentModel(SequenceModel):
    """VAE with a normalizing-flow prior; its likelihood is known by bounds only.

    Arguments: spec (sizes and the prior's mathematics), shape of the corpus.
    References: paper, section 4 and figure 2.
    """

    exact: ClassVar[bool] = False

    def __init__(self, spec: Spec, shape: CorpusShape) -> None:
        super().__init__(shape)
        size = spec.model
        self.latent = size.latent
        self.posterior = Posterior(
            size.embedding, size.latent, shape.max_length, size.hidden, size.layers, size.posterior_dropout
        )
        self.prior = build_prior(spec, shape.max_length)
        self.decoder = Decoder(size.latent, shape.max_length, size.hidden, size.layers, size.decoder_dropout)
        self.emission = Emission(shape.kind, shape.width, size.embedding, self.decoder.features)

    def draw_noise(self, batch: SequenceBatch, samples: int, generator: torch.Generator | None) -> Tensor:
        weight, shape = self.emission.embedding, (*batch.mask_BT.shape, self.latent)
        # One draw a sample: a stream of K samples is the same however it is cut into calls.
        draws = [
            torch.randn(shape, generator=generator, dtype=weight.dtype, device=weight.device) for _ in range(samples)
        ]
        return torch.stack(draws)

    def terms_given(self, batch: SequenceBatch, noise_SBTH: Tensor) -> Terms:
        mean_BTH, logvar_BTH = self.posterior(self.emission.embed(batch.x), batch.mask_BT)
        z_SBTH, log_q_SBT = reparameterise(mean_BTH, logvar_BTH, noise_SBTH)
        log_q_SB = log_q_SBT.masked_fill(~batch.mask_BT, 0).sum(-1)
        mask_NT = batch.mask_BT.repeat(len(noise_SBTH), 1)
        z_NTH = z_SBTH.flatten(0, 1).masked_fill(~mask_NT[..., None], 0)
        log_p_SB = self.prior.log_prob(z_NTH, mask_NT).view(log_q_SB.shape)
        return Terms(
            distortion_SB=self.distortion_steps(z_NTH, batch).sum(-1),
            rate_SB=log_q_SB - log_p_SB,
            log_p_length_B=self.log_p_length[batch.lengths_B].to(log_p_SB),
        )

    def distortion_steps(self, z_NTH: Tensor, batch: SequenceBatch) -> Tensor:
        """-log p(x_t|z) [S, B, T], zero on padding, for N = S * B latent sequences, samples slowest."""
        samples = len(z_NTH) // len(batch.x)
        features = self.decoder(z_NTH, batch.mask_BT.repeat(samples, 1))
        nll_SBT = self.emission.nll(features.unflatten(0, (samples, -1)), batch.x)
        return nll_SBT.masked_fill(~batch.mask_BT, 0)

    def sample(
        self, lengths_B: Tensor, generator: torch.Generator | None = None, how: Sampling = FROM_THE_MODEL
    ) -> SequenceBatch:
        mask_BT = mask_of(lengths_B)
        z_BTH = self.prior.sample(mask_BT, self.latent, generator, how.temperature)
        return self.decode(z_BTH, mask_BT, generator, how.greedy)

    def reconstruct(self, batch: SequenceBatch, generator: torch.Generator | None = None) -> SequenceBatch:
        """The likeliest x_t at every step given one z ~ q(z|x)."""
        z_BTH = self.posterior_sample(batch, generator)
        return self.decode(z_BTH, batch.mask_BT, generator, greedy=True)

    def posterior_sample(self, batch: SequenceBatch, generator: torch.Generator | None = None) -> Tensor:
        """z ~ q(z|x), [B, T, H], zero on padding."""
        mean_BTH, logvar_BTH = self.posterior(self.emission.embed(batch.x), batch.mask_BT)
        noise_SBTH = self.draw_noise(batch, 1, generator)
        return reparameterise(mean_BTH, logvar_BTH, noise_SBTH)[0][0].masked_fill(~batch.mask_BT[..., None], 0)

    def decode(self, z_BTH: Tensor, mask_BT: Tensor, generator: torch.Generator | None, greedy: bool) -> SequenceBatch:
        """x ~ p(x|z), or its likeliest value."""
        x = self.emission.sample(self.decoder(z_BTH, mask_BT), generator, greedy)
        return SequenceBatch(x.masked_fill(~mask_BT.view(*mask_BT.shape, *[1] * (x.dim() - 2)), 0), mask_BT)
