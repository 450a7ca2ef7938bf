"""The latent-variable model p(T) p(z|T) prod_t p(x_t|z) with a flow prior (paper, section 4; docs/paper.md 3e).

Axes: S samples, B batch, T time, H latent size, E embedding, U units.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.distributions import Normal

from lnf.corpora.batches import CorpusShape, SequenceBatch
from lnf.errors import UserError
from lnf.flows.base import Prior
from lnf.models.base import FROM_THE_MODEL, Sampling, SequenceModel
from lnf.models.objectives import Terms
from lnf.nn.linear import Linear
from lnf.nn.lstm import HELD, BiLSTM
from lnf.nn.positions import position_codes
from lnf.spec import Spec, class_of

PriorFactory = Callable[..., Prior]
"""The class of a prior with its flow within a step, as `partial(AutoregressiveTime, partial(CouplingHidden, NLSq()))`.
A model calls it with `latent`, `max_length`, `units`, `layers` and `dropout`."""


class LatentModel(SequenceModel):
    """VAE with a normalizing-flow prior; its likelihood is known by bounds only.

    Arguments: shape of the corpus, factory of the prior, latent size H, embedding size, units and layers of each LSTM,
        dropout in the prior, in the posterior and in the decoder.
    References: paper, section 4 and figure 2.
    """

    exact: ClassVar[bool] = False

    def __init__(
        self,
        shape: CorpusShape,
        prior: PriorFactory,
        latent: int = 50,
        embedding: int = 500,
        units: int = 500,
        layers: int = 2,
        dropout: float = 0.2,
        posterior_dropout: float = 0.0,
        decoder_dropout: float = 0.0,
    ) -> None:
        super().__init__(shape)
        longest = shape.max_length
        self.posterior = Posterior(embedding, latent, longest, units, layers, posterior_dropout)
        self.prior = prior(latent=latent, max_length=longest, units=units, layers=layers, dropout=dropout)
        self.decoder = Decoder(latent, longest, units, layers, decoder_dropout)
        self.emission = shape.emission(embedding, self.decoder.features)

    @classmethod
    def from_spec(cls, spec: Spec, shape: CorpusShape) -> Self:
        size, options = spec.model, cast(dict[str, Any], spec.options.model)
        return cls(
            shape,
            prior_factory(spec),
            size.latent,
            size.embedding,
            size.hidden,
            size.layers,
            size.dropout,
            size.posterior_dropout,
            size.decoder_dropout,
            **options,
        )

    def step_bytes(self) -> int:
        """Of what a layer of the decoder and the emission hold."""
        return (HELD * self.decoder.lstm.units + self.emission.numbers()) * self._itemsize()

    def draw_noise(self, batch: SequenceBatch, samples: int, generator: torch.Generator | None) -> Tensor:
        weight, shape = self.emission.embedding, (*batch.mask_BT.shape, self.prior.latent)
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

    @torch.no_grad()
    def sample(
        self,
        lengths: Tensor | Sequence[int],
        generator: torch.Generator | None = None,
        how: Sampling = FROM_THE_MODEL,
    ) -> SequenceBatch:
        mask_BT = self.mask(lengths)
        z_BTH = self.prior.sample(mask_BT, generator, how.temperature)
        return self.decode(z_BTH, mask_BT, generator, how.greedy)

    @torch.no_grad()
    def continued(
        self,
        prompt: SequenceBatch,
        lengths: Tensor | Sequence[int],
        generator: torch.Generator | None = None,
        how: Sampling = FROM_THE_MODEL,
    ) -> SequenceBatch:
        """x given z, whose first steps are drawn from q(z|prompt) as of a whole sequence, and the others from the prior
        given those.
        """
        if not self.prior.causal:
            raise UserError(f"prompt: {type(self.prior).__name__} cannot continue one: its steps depend on later ones")
        mask_BT = self.mask(lengths)
        known_BT, steps = self.known(prompt, mask_BT), mask_BT.shape[1] - prompt.mask_BT.shape[1]
        z_BTH = nn.functional.pad(self.posterior_sample(prompt, generator), (0, 0, 0, steps))
        e_BTH = self.prior.to_noise(z_BTH, mask_BT)[0]
        drawn_BTH = torch.randn(e_BTH.shape, generator=generator, dtype=e_BTH.dtype, device=e_BTH.device)
        e_BTH = torch.where(known_BT[..., None], e_BTH, drawn_BTH * how.temperature)
        drawn = self.decode(self.prior.to_latent(e_BTH, mask_BT)[0], mask_BT, generator, how.greedy)
        given = known_BT.view(*known_BT.shape, *[1] * (drawn.x.dim() - 2))
        x = nn.functional.pad(prompt.x, (0, steps) if prompt.x.dim() == 2 else (0, 0, 0, steps))
        return SequenceBatch(torch.where(given, x.to(drawn.x), drawn.x), mask_BT)

    @torch.no_grad()
    def interpolated(self, pair: SequenceBatch, count: int = 7) -> SequenceBatch:
        """The likeliest sequences of `count` latents on the line between the posterior means of two sequences of one
        length, from the first to the second.
        """
        if len(pair.x) != 2 or not pair.mask_BT.all():
            raise UserError("interpolated: give two sequences of one length")
        first_1TH, second_1TH = self.encode(pair).mean.split(1)
        share = torch.linspace(0, 1, count, dtype=first_1TH.dtype, device=first_1TH.device).view(-1, 1, 1)
        return self.decode(torch.lerp(first_1TH, second_1TH, share), pair.mask_BT[:1].expand(count, -1), None, True)

    @torch.no_grad()
    def reconstruct(self, batch: SequenceBatch, generator: torch.Generator | None = None) -> SequenceBatch:
        """The likeliest x_t at every step given one z ~ q(z|x)."""
        z_BTH = self.posterior_sample(batch, generator)
        return self.decode(z_BTH, batch.mask_BT, generator, greedy=True)

    def encode(self, batch: SequenceBatch) -> Normal:
        """q(z|x): `mean` and `stddev` [B, T, H]; padding holds anything finite."""
        mean_BTH, logvar_BTH = self.posterior(self.emission.embed(batch.x), batch.mask_BT)
        return Normal(mean_BTH, torch.exp(0.5 * logvar_BTH), validate_args=False)

    def posterior_sample(self, batch: SequenceBatch, generator: torch.Generator | None = None) -> Tensor:
        """z ~ q(z|x), [B, T, H], zero on padding."""
        mean_BTH, logvar_BTH = self.posterior(self.emission.embed(batch.x), batch.mask_BT)
        noise_SBTH = self.draw_noise(batch, 1, generator)
        return reparameterise(mean_BTH, logvar_BTH, noise_SBTH)[0][0].masked_fill(~batch.mask_BT[..., None], 0)

    def decode(self, z_BTH: Tensor, mask_BT: Tensor, generator: torch.Generator | None, greedy: bool) -> SequenceBatch:
        """x ~ p(x|z), or its likeliest value."""
        x = self.emission.sample(self.decoder(z_BTH, mask_BT), generator, greedy)
        return SequenceBatch.masked(x, mask_BT)


class Posterior(nn.Module):
    """q(z|x) = prod_t N(z_t; mean_t, diag exp(logvar_t)) from a BiLSTM over the embedded x and its positions.

    Arguments: embedding E, latent size H, max_length M, units, layers, dropout (on the inputs of every layer).
    """

    def __init__(
        self, embedding: int, latent: int, max_length: int, units: int, layers: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.max_length = max_length
        self.lstm = BiLSTM(embedding, units, layers, max_length, dropout)
        self.head = Linear(2 * units, 2 * latent)
        nn.init.uniform_(self.head.weight, -0.07, 0.07)
        nn.init.zeros_(self.head.bias)

    def forward(self, embedded_BTE: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(mean [B, T, H], logvar [B, T, H])."""
        features = self.lstm(embedded_BTE, position_codes(mask_BT, self.max_length), mask_BT)
        mean, logvar = self.head(features).unflatten(-1, (-1, 2)).unbind(-1)
        return mean, logvar


def reparameterise(mean_BTH: Tensor, logvar_BTH: Tensor, noise_SBTH: Tensor) -> tuple[Tensor, Tensor]:
    """(z [S, B, T, H], log q(z_t|x) [S, B, T] in nats) from standard normal noise."""
    z_SBTH = mean_BTH + torch.exp(0.5 * logvar_BTH) * noise_SBTH
    log_q_SBT = -0.5 * (math.log(2 * math.pi) + logvar_BTH + noise_SBTH * noise_SBTH).sum(-1)
    return z_SBTH, log_q_SBT


class Decoder(nn.Module):
    """Features w_t = [z_t; F_{t-1}; R_{t+1}], F and R the forward and backward outputs; zero beyond the ends.

    The shift does not hide z_t: the second layer reads both directions of the first, so x_t depends on all of z.

    Arguments: latent size H, max_length M, units, layers, dropout (on the inputs of every layer of the LSTM).
    """

    def __init__(self, latent: int, max_length: int, units: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.max_length = max_length
        self.features = latent + 2 * units
        self.lstm = BiLSTM(latent, units, layers, max_length, dropout)

    def forward(self, z_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """Features [B, T, H + 2 U]."""
        outputs = self.lstm(z_BTH, position_codes(mask_BT, self.max_length), mask_BT)
        features: Tensor = _Shifted.apply(z_BTH, outputs, mask_BT)  # type: ignore[no-untyped-call]
        return features


class _Shifted(torch.autograd.Function):
    """[z_t; F_{t-1}; R_{t+1}] written into one buffer, and its gradient into one: of slices, shifts and a concatenation
    autograd would make six of that size.
    """

    @staticmethod
    def forward(ctx: Any, z_BTH: Tensor, outputs_BTX: Tensor, mask_BT: Tensor) -> Tensor:
        ctx.latent, ctx.units = z_BTH.shape[-1], outputs_BTX.shape[-1] // 2
        features = z_BTH.new_zeros(*z_BTH.shape[:-1], ctx.latent + outputs_BTX.shape[-1])
        z, before, after = features.split([ctx.latent, ctx.units, ctx.units], dim=-1)
        ahead, back = outputs_BTX.chunk(2, dim=-1)
        z.copy_(z_BTH)
        before[:, 1:] = ahead[:, :-1]
        after[:, :-1] = back[:, 1:]
        after[:, :-1].masked_fill_(~mask_BT[:, 1:, None], 0)
        ctx.save_for_backward(mask_BT)
        ctx.outputs_like = torch.empty_like(outputs_BTX, device="meta")
        return features

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (mask_BT,) = ctx.saved_tensors
        d_z, d_before, d_after = grads[0].split([ctx.latent, ctx.units, ctx.units], dim=-1)
        d_outputs = torch.zeros_like(ctx.outputs_like, device=d_z.device)
        d_ahead, d_back = d_outputs.chunk(2, dim=-1)
        d_ahead[:, :-1] = d_before[:, 1:]
        d_back[:, 1:] = d_after[:, :-1]
        d_back.masked_fill_(~mask_BT[..., None], 0)
        return d_z, d_outputs, None


def prior_factory(spec: Spec) -> PriorFactory:
    """The prior that a spec's `prior` section names; its flow has the sizes of the `model` section."""
    size, options = spec.model, spec.options
    time, hidden, transform = (class_of(part, getattr(spec.prior, part)) for part in ("time", "hidden", "transform"))
    flow = partial(
        hidden, transform(**options.transform), layers=size.flow_layers, width=size.flow_hidden, **options.hidden
    )
    return partial(time, flow, **options.time)


def build_prior(spec: Spec, max_length: int) -> Prior:
    """The prior of a spec alone, at the sizes of its `model` section."""
    size = spec.model
    return prior_factory(spec)(
        latent=size.latent, max_length=max_length, units=size.hidden, layers=size.layers, dropout=size.dropout
    )
