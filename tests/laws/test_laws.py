"""The laws hold for every built-in variant, and each law catches the mutant that breaks it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lnf.corpora.batches import SequenceBatch
from lnf.errors import UserError
from lnf.flows.base import Prior
from lnf.flows.hidden import CouplingHidden
from lnf.laws import check, laws
from lnf.laws.instances import batch_of, latents_of, model_of, prior_of
from lnf.models.base import Terms
from lnf.models.baseline import LSTMModel
from lnf.models.latent import LatentModel
from lnf.models.objectives import log_weights
from lnf.spec import BUILTINS
from lnf.system.files import read_json
from tests.laws import mutants
from tests.specs import PRIORS, tiny_spec


@pytest.fixture(autouse=True)
def _float64() -> Any:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("prior", PRIORS)
def test_every_law_holds(prior: str, tmp_path: Path) -> None:
    check.check(tiny_spec(prior), tmp_path / "check.json")
    report = read_json(tmp_path / "check.json")
    assert report["status"] == "ok"
    assert len(report["laws"]) == (26 if prior == "lstm" else 35)


def test_check_names_variant_and_law(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Prior, "to_latent", lambda self, e, mask: (2 * e, torch.zeros(len(e))))
    with pytest.raises(UserError, match="check: af_scf: invertible"):
        check.check(tiny_spec("af_scf"), tmp_path / "check.json")
    assert not (tmp_path / "check.json").exists()


def _model(prior: str = "af_af", kind: str = "text") -> LatentModel:
    model = model_of(tiny_spec(prior), kind)
    assert isinstance(model, LatentModel)
    return model


def _latents() -> tuple[Tensor, Tensor]:
    return latents_of()


class _Mutant(Prior):
    """A prior whose step functions are replaced."""

    def __init__(self, original: Prior, noise: Callable[[Prior, Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
        super().__init__(original.latent)
        self.original, self.noise = original, noise

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        return self.noise(self.original, z_BTH, mask_BT)

    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        return self.original.latent_steps(e_BTH, mask_BT)


def _look_ahead(prior: Prior, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    e, log_det = prior.noise_steps(z, mask)
    return e + 0.1 * torch.nn.functional.pad(z[:, 1:] * mask[:, 1:, None], (0, 0, 0, 1)), log_det


def _dropped_log_det(prior: Prior, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    e, log_det = prior.noise_steps(z, mask)
    return e, log_det - 0.1 * z[..., 0].tanh()


def _ignored_mask(prior: Prior, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    return prior.noise_steps(z, torch.ones_like(mask))


def _mixed_batch(prior: Prior, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    e, log_det = prior.noise_steps(z, mask)
    return e + 0.1 * z.mean(0), log_det


def _not_inverse(prior: Prior, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    e, log_det = prior.noise_steps(z, mask)
    return e + 1e-4 * z, log_det


def _scaled(prior: Prior, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    e, log_det = prior.noise_steps(z, mask)
    return e, log_det + 0.05


@pytest.mark.parametrize(
    ("law", "mutation"),
    [
        (laws.invertible, _not_inverse),
        (laws.log_det_is_the_jacobians, _dropped_log_det),
        (laws.causal, _look_ahead),
        (laws.padding_invariant, _ignored_mask),
        (laws.batch_independent, _mixed_batch),
    ],
    ids=lambda value: value.__name__,
)
def test_mutant_of_the_flow_is_caught(law: Callable[..., None], mutation: Callable[..., tuple[Tensor, Tensor]]) -> None:
    prior = _model("af_scf").prior
    law(prior, *_latents())
    with pytest.raises(laws.BrokenLaw):
        law(_Mutant(prior, mutation), *_latents())


def test_detached_half_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/paper.md 3d.19: the authors' coupling on a current PyTorch. Values are right, gradients are not."""
    prior = _model("af_scf").prior
    layer_class = type(prior.get_submodule("flow.layers.0"))
    parameters_of = layer_class._parameters_of  # type: ignore[attr-defined]
    monkeypatch.setattr(layer_class, "_parameters_of", lambda self, kept, c: parameters_of(self, kept.detach(), c))
    laws.log_det_is_the_jacobians(_model("af_scf").prior, *_latents())
    with pytest.raises(laws.BrokenLaw, match="gradients of latents"):
        laws.gradients_of_latents(prior, *_latents())


def test_unnormalised_density_is_caught() -> None:
    plane = prior_of(tiny_spec("af_af"), check.PLANE)
    laws.integrates_to_one(plane)
    with pytest.raises(laws.BrokenLaw, match="integrates"):
        laws.integrates_to_one(_Mutant(plane, _scaled))


def test_cut_off_parameter_is_caught() -> None:
    model = _model()
    model.emission.hidden.bias.requires_grad_(False)
    with pytest.raises(laws.BrokenLaw, match=r"emission\.hidden\.bias"):
        laws.parameters_get_gradients(model, batch_of("text"))


def test_wrong_rate_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = _model(), batch_of("text")
    original = model.terms_given

    def forgetful(batch: SequenceBatch, noise: Tensor) -> Terms:
        terms = original(batch, noise)
        assert terms.rate_SB is not None
        return Terms(terms.distortion_SB, terms.rate_SB, terms.log_p_length_B * 2)

    laws.rate_plus_distortion(model, batch)
    monkeypatch.setattr("lnf.laws.laws.log_weights", lambda terms: log_weights(terms) + 0.01)
    with pytest.raises(laws.BrokenLaw):
        laws.rate_plus_distortion(model, batch)
    monkeypatch.undo()
    monkeypatch.setattr(model, "terms_given", forgetful)
    laws.rate_plus_distortion(model, batch)  # p(T) is no part of rate or distortion


def test_bound_without_its_logarithm_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lnf.laws.laws.iwae_bound", lambda log_w: -log_w.logsumexp(0))
    with pytest.raises(laws.BrokenLaw, match="bound"):
        laws.bound_grows_with_samples(_model(), batch_of("text"))


def test_model_that_sees_padding_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model()
    original = model.distortion_steps
    monkeypatch.setattr(model, "distortion_steps", lambda z, batch: original(z, batch) + 1e-3 * batch.x.sum(1)[:, None])
    with pytest.raises(laws.BrokenLaw, match="padding"):
        laws.model_ignores_padding(model, batch_of("text"))


def test_baseline_that_sees_x_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(tiny_spec("lstm"), "text")
    assert isinstance(model, LSTMModel)
    laws.normalised(model, "text", check.WIDTH, steps=3)
    original = model.emission.nll
    monkeypatch.setattr(model.emission, "nll", lambda h, x: original(h + 0.2 * x[..., None], x))
    with pytest.raises(laws.BrokenLaw, match="sum to 1"):
        laws.normalised(model, "text", check.WIDTH, steps=3)


@pytest.mark.parametrize("flip", [False, True])
def test_masked_weights_get_exactly_no_gradient(flip: bool) -> None:
    prior = _model("af_af").prior
    prior.log_prob(*_latents()).sum().backward()
    layer = prior.get_submodule(f"flow.layers.{int(flip)}")
    for name in ("input", "hidden", "output"):
        mask = layer.get_buffer({"input": "in_mask", "hidden": "hidden_mask", "output": "out_mask"}[name])
        gradient = layer.get_parameter(f"{name}.weight").grad
        assert gradient is not None and (gradient[~mask] == 0).all() and (gradient[mask] != 0).any()


def test_builtin_table_names_what_exists() -> None:
    assert BUILTINS["hidden"]["scf"].rpartition(".")[2] == CouplingHidden.__name__


def test_sampler_of_another_density_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    prior = _model("af_scf").prior
    laws.samples_agree_with_the_density(prior)
    original = prior.sample
    monkeypatch.setattr(prior, "sample", lambda mask, noise: original(mask, noise, 0.9))
    with pytest.raises(laws.BrokenLaw, match="second moments"):
        laws.samples_agree_with_the_density(prior)
    monkeypatch.setattr(prior, "sample", lambda mask, noise: original(mask.roll(1, 0), noise))
    with pytest.raises(laws.BrokenLaw, match=r"padding|moments|means"):
        laws.samples_agree_with_the_density(prior)


@pytest.mark.parametrize("kind", ["text", "music"])
@pytest.mark.parametrize("prior", ["af_af", "lstm"])
def test_sampler_of_x_that_is_not_the_models_is_caught(monkeypatch: pytest.MonkeyPatch, kind: str, prior: str) -> None:
    width = check.WIDTH if kind == "text" else check.FEW_KEYS
    model = model_of(tiny_spec(prior), kind, check.PLANE, width)
    laws.samples_agree_with_the_likelihood(model, kind, width)
    original = model.get_submodule("emission").sample
    monkeypatch.setattr(model.get_submodule("emission"), "sample", lambda f, noise, *_: original(f, noise, greedy=True))
    with pytest.raises(laws.BrokenLaw, match="sequences are off"):
        laws.samples_agree_with_the_likelihood(model, kind, width)
    monkeypatch.setattr(
        model.get_submodule("emission"), "sample", lambda f, noise, *_: original(f, noise, temperature=3.0)
    )
    with pytest.raises(laws.BrokenLaw, match="sequences are off"):
        laws.samples_agree_with_the_likelihood(model, kind, width)


def _named(value: Any) -> str:
    return str(getattr(value, "__name__", value))


@pytest.mark.parametrize(("mutant", "name"), mutants.PRIORS.items(), ids=_named)
def test_a_leak_that_a_small_instance_hides_is_caught(mutant: type[Prior], name: str) -> None:
    spec = mutants.spec_of(time=mutant)
    for small, law in check.prior_laws(spec):
        if small not in ("samples_agree_with_the_density", "integrates_to_one"):  # whose batches are large
            law()
    with pytest.raises(laws.BrokenLaw):
        dict(check.wide_prior_laws(spec))[name]()


@pytest.mark.parametrize("kind", ["text", "music"])
def test_a_model_that_draws_other_sequences_than_it_scores_is_caught(kind: str) -> None:
    """Which sequences of two steps do not show."""
    spec = mutants.spec_of(model=mutants.ForgetsLate)
    check.sampling_law(spec, kind)()
    with pytest.raises(laws.BrokenLaw, match="features step by step: off by"):
        dict(check.stepwise_laws(spec))[f"stepper_gives_the_features/{kind}"]()


@pytest.mark.parametrize(
    ("mutant", "name"), mutants.BASELINES.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_an_exact_model_that_is_told_its_answer_is_caught(mutant: type[LSTMModel], name: str) -> None:
    spec = mutants.spec_of(model=mutant)
    exact = dict(check.exact_laws(spec))
    exact["normalised/text/4"]()
    with pytest.raises(laws.BrokenLaw, match="sum to 1"):
        exact[name]()
