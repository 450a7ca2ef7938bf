"""Prompts that are continued, and sequences between two others."""

import pytest
import torch

from lnf.corpora.batches import CorpusShape, SequenceBatch
from lnf.errors import UserError
from lnf.models.base import SequenceModel, build_model
from lnf.models.baseline import LSTMModel
from lnf.models.latent import LatentModel
from tests.laws.mutants import spec_of
from tests.laws.test_own import BothWays
from tests.specs import LATENT_PRIORS, tiny_spec

SHAPE = CorpusShape("text", 3, 12, vocabulary=("a", "b", "c"))


def model_of(prior: str, shape: CorpusShape = SHAPE) -> SequenceModel:
    torch.manual_seed(0)
    return build_model(tiny_spec(prior), shape).eval()


@pytest.mark.parametrize("prior", ["lstm", *LATENT_PRIORS])
@pytest.mark.parametrize("kind", ["text", "music"])
def test_what_is_drawn_begins_with_the_prompt(prior: str, kind: str) -> None:
    model = model_of(prior, CorpusShape(kind, 3, 12))
    prompt = model.sample([4, 2], torch.Generator().manual_seed(1))
    drawn = model.continued(prompt, [9, 5], torch.Generator().manual_seed(2))
    assert drawn.lengths_B.tolist() == [9, 5]
    for row, length in enumerate((4, 2)):
        assert torch.equal(drawn.x[row, :length], prompt.x[row, :length])
    again = model.continued(prompt, [9, 5], torch.Generator().manual_seed(2))
    other = model.continued(prompt, [9, 5], torch.Generator().manual_seed(3))
    assert torch.equal(again.x, drawn.x) and not torch.equal(other.x, drawn.x)


def test_an_exact_model_goes_on_as_its_likelihood_says() -> None:
    model = model_of("lstm").double()
    assert isinstance(model, LSTMModel)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
        p_V = model.log_prob(model.batch([f"ab{letter}" for letter in "abc"])).softmax(0)
    prompt = model.batch(["ab"] * 20_000)
    drawn = model.continued(prompt, torch.full((20_000,), 3), torch.Generator().manual_seed(0)).x[:, 2]
    found_V = drawn.bincount(minlength=3) / len(drawn)
    torch.testing.assert_close(found_V.double(), p_V, atol=4.5 * 0.5 / 20_000**0.5, rtol=0)


@pytest.mark.parametrize("prior", LATENT_PRIORS)
def test_the_latents_of_the_prompt_stay(prior: str) -> None:
    """Noise that begins with that of a sequence gives latents that begin with its latents, whatever comes later."""
    model = model_of(prior).double()
    assert isinstance(model, LatentModel)
    mask_BT = torch.ones(2, 8, dtype=torch.bool)
    with torch.no_grad():
        z_BTH = torch.randn(2, 8, model.prior.latent, dtype=torch.float64)
        e_BTH = model.prior.to_noise(z_BTH, mask_BT)[0]
        e_BTH[:, 5:] = 0.3
        torch.testing.assert_close(model.prior.to_latent(e_BTH, mask_BT)[0][:, :5], z_BTH[:, :5])


def test_a_prior_that_is_not_causal_continues_nothing() -> None:
    spec = spec_of(time=BothWays)
    model = build_model(spec.replace(prior=spec.prior.replace(hidden="none")), SHAPE)
    with pytest.raises(UserError, match="BothWays cannot continue one"):
        model.continued(model.batch(["ab"]), [5])


@pytest.mark.parametrize("lengths", [[3, 6], [3, 2]])
@pytest.mark.parametrize("prior", ["af_af", "lstm"])
def test_a_prompt_is_no_longer_than_what_is_asked_for(prior: str, lengths: list[int]) -> None:
    model = model_of(prior)
    with pytest.raises(UserError, match="prompt: 4 steps are more than the length"):
        model.continued(model.batch(["abab", "a"]), lengths)


@pytest.mark.parametrize("prior", ["af_af", "lstm"])
def test_there_is_a_prompt_for_each_length(prior: str) -> None:
    model = model_of(prior)
    with pytest.raises(UserError, match="prompt: 1 sequences for 2 lengths"):
        model.continued(model.batch(["ab"]), [3, 6])


def test_lengths_without_a_probability_are_not_drawn() -> None:
    never = torch.full((13,), -torch.inf, dtype=torch.float64)
    never[3] = 0.0
    model = model_of("lstm", CorpusShape("text", 3, 12, never))
    assert model.sample_lengths(4).tolist() == [3] * 4
    with pytest.raises(UserError, match="no sequence of 4 or more steps has a probability"):
        model.sample_lengths(4, shortest=4)


def test_between_two_sequences() -> None:
    model = model_of("af_scf")
    assert isinstance(model, LatentModel)
    pair = model.batch(["abca", "cbab"])
    found = model.interpolated(pair, count=5)
    ends = model.decode(model.encode(pair).mean.detach(), pair.mask_BT, None, greedy=True)
    assert found.x.shape == (5, 4) and isinstance(found, SequenceBatch)
    assert torch.equal(found.x[[0, -1]], ends.x)
    with pytest.raises(UserError, match="two sequences of one length"):
        model.interpolated(model.batch(["ab", "abc"]))
