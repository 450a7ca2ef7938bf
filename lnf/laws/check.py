"""The laws of one variant, on a small instance of it: what the `check` rule runs before the variant may train."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from lnf.corpora.batches import CorpusShape, SequenceBatch, mask_of
from lnf.errors import UserError
from lnf.laws import laws, sampling
from lnf.models.base import SequenceModel
from lnf.models.build import build_model
from lnf.models.latent import LatentModel, build_prior
from lnf.priors.base import Prior
from lnf.spec import ModelSpec, Spec
from lnf.system.files import write_json

MAX_LENGTH = 8
WIDTH = 5
FEW_KEYS = 2
"""So few that all sequences of two steps can be listed."""
Law = tuple[str, Callable[[], None]]


def check(spec: Spec, out: Path) -> None:
    """Run every law on the variant's mathematics and write {status, laws: {name: seconds}} to `out`.

    Raises UserError naming the variant and the law that does not hold.
    """
    torch.set_default_dtype(torch.float64)
    seconds: dict[str, float] = {}
    for name, law in laws_of(spec):
        start = time.perf_counter()
        try:
            law()
        except laws.BrokenLaw as broken:
            raise UserError(f"check: {spec.prior.name}: {broken}") from broken
        seconds[name] = round(time.perf_counter() - start, 3)
    write_json(out, {"status": "ok", "prior": spec.prior.name, "laws": seconds})
    print(f"check {spec.prior.name}: {len(seconds)} laws hold ({sum(seconds.values()):.1f} s)", flush=True)


def laws_of(spec: Spec) -> Iterator[Law]:
    """The laws that apply to a spec's variant, each a name and a call, on text and on music."""
    for kind in ("text", "music"):
        model = small_model(spec, kind, latent=3)
        yield from model_laws(model, small_batch(kind), kind)
        if model.exact or isinstance(model, LatentModel):
            yield f"samples_agree_with_the_likelihood/{kind}", sampling_law(spec, kind)
    model = small_model(spec, "text", latent=3)
    if isinstance(model, LatentModel):
        yield from prior_laws(spec, model)


def model_laws(model: SequenceModel, batch: SequenceBatch, kind: str) -> Iterator[Law]:
    """Laws of any model of sequences."""
    yield f"parameters_get_gradients/{kind}", lambda: laws.parameters_get_gradients(model, batch)
    yield f"rate_plus_distortion/{kind}", lambda: laws.rate_plus_distortion(model, batch)
    yield f"bound_grows_with_samples/{kind}", lambda: laws.bound_grows_with_samples(model, batch)
    yield f"model_ignores_padding/{kind}", lambda: laws.model_ignores_padding(model, batch)
    if model.exact and kind == "text":
        yield "normalised", lambda: laws.normalised(model, WIDTH, steps=4)


def prior_laws(spec: Spec, model: LatentModel) -> Iterator[Law]:
    """Laws of a prior over latent sequences."""
    mask_BT = small_batch("text").mask_BT
    z_BTH = torch.randn(*mask_BT.shape, model.latent, generator=torch.Generator().manual_seed(1))
    for law in (
        laws.invertible,
        laws.log_det_is_the_jacobians,
        laws.causal,
        laws.padding_invariant,
        laws.batch_independent,
        laws.gradients_of_latents,
    ):
        yield law.__name__, lambda law=law: law(model.prior, z_BTH, mask_BT)  # type: ignore[misc]
    yield "samples_agree_with_the_density", lambda: sampling.samples_agree_with_the_density(model.prior, model.latent)
    plane = small_prior(spec, latent=2)
    yield "integrates_to_one", lambda: laws.integrates_to_one(plane)


def sampling_law(spec: Spec, kind: str) -> Callable[[], None]:
    """The law that a model draws each short sequence as often as its likelihood says."""
    width = WIDTH if kind == "text" else FEW_KEYS
    model = small_model(spec, kind, latent=2, width=width)
    return lambda: sampling.samples_agree_with_the_likelihood(model, kind, width)


def small_model(spec: Spec, kind: str, latent: int, width: int = WIDTH) -> SequenceModel:
    """The variant at a few units, its weights perturbed so that no part is near the identity; in eval mode."""
    model = _perturbed(lambda: build_model(_shrunk(spec, latent), _shape(kind, width)))
    assert isinstance(model, SequenceModel)
    return model


def small_prior(spec: Spec, latent: int) -> Prior:
    """The variant's prior alone, likewise."""
    prior = _perturbed(lambda: build_prior(_shrunk(spec, latent), MAX_LENGTH))
    assert isinstance(prior, Prior)
    return prior


def small_batch(kind: str) -> SequenceBatch:
    """Three sequences of 5, 3 and 1 steps."""
    generator = torch.Generator().manual_seed(2)
    mask_BT = mask_of(torch.tensor([5, 3, 1]))
    if kind == "text":
        return SequenceBatch(torch.randint(WIDTH, mask_BT.shape, generator=generator) * mask_BT, mask_BT)
    keys_BTV = torch.rand(*mask_BT.shape, WIDTH, generator=generator) < 0.4
    return SequenceBatch((keys_BTV & mask_BT[..., None]).double(), mask_BT)


def _perturbed(build: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build().double().eval()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return module


def _shrunk(spec: Spec, latent: int) -> Spec:
    layers = min(spec.model.flow_layers, 3)
    size = ModelSpec(latent=latent, hidden=6, embedding=5, layers=2, flow_layers=layers, flow_hidden=7, dropout=0.0)
    return replace(spec, model=size)


def _shape(kind: str, width: int) -> CorpusShape:
    return CorpusShape(kind, width, MAX_LENGTH, torch.full((MAX_LENGTH + 1,), -2.0))
