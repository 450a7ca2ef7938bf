"""Settings that the paper does not have: averaged weights, weight decay, a tighter bound, more dropout, other keys."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lnf.corpora import loading
from lnf.corpora.batches import CorpusShape
from lnf.models.base import SequenceModel
from lnf.models.latent import Posterior
from lnf.models.objectives import objective
from lnf.runs import checkpoint
from lnf.runs.training import train_run, validate
from lnf.spec import Spec
from tests.specs import tiny_spec
from tests.tiny_corpus import context, prepared
from tests.training import Training, training_of, with_gradients


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("corpus"))


def on(corpus: Path, spec: Spec, folder: Path) -> Training:
    return training_of(spec, loading.load(corpus, spec), folder)


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def test_the_average_moves_a_share_of_the_way_at_each_step(corpus: Path, tmp_path: Path) -> None:
    state = on(corpus, tiny_spec(average=0.75), tmp_path).state
    with_gradients(state).step()
    expected = weights(state.model)  # the first step begins the average
    for _ in range(3):
        with_gradients(state).step()
        steps = zip(expected, weights(state.model), strict=True)
        expected = [0.75 * before + 0.25 * now for before, now in steps]
    for found, wanted in zip(weights(state.judged), expected, strict=True):
        torch.testing.assert_close(found, wanted)


def test_the_average_is_validated_and_kept(corpus: Path, tmp_path: Path) -> None:
    spec = tiny_spec(average=0.9)
    train_run(spec, corpus, tmp_path / "averaged", context(spec))
    trained = on(corpus, spec, tmp_path / "again").fit()
    state = trained.state
    assert state.best_model is not None and state.plateau.best_epoch == spec.train.epochs - 1
    kept = checkpoint.load(tmp_path / "averaged" / "model.pt")[0]
    for found, average, last in zip(weights(kept), weights(state.judged), weights(state.model), strict=True):
        assert torch.equal(found, average) and not torch.equal(found, last)  # the last epoch was the best one
    losses = [row["valid_loss"] for row in state.history]
    state.judged, state.epoch = state.model, state.epoch - 1
    assert losses[-1] != validate(state, trained.corpus.splits["valid"], trained.keeper).per_token("loss")


@pytest.mark.parametrize("steps", [3, 25])
def test_a_cut_run_goes_on_with_its_average(steps: int, corpus: Path, tmp_path: Path) -> None:
    spec = tiny_spec(average=0.9)
    whole = on(corpus, spec, tmp_path / "whole").fit().state
    again = on(corpus, tiny_spec(average=0.9, state_minutes=0.0), tmp_path / "cut").cut_and_resumed(steps).state
    assert again.history == whole.history
    assert all(map(torch.equal, weights(again.judged), weights(whole.judged)))


def musical(spec: Spec, folder: Path) -> Training:
    """A training on short music in the middle of the keyboard."""
    rng = np.random.default_rng(0)
    rolls = np.zeros((12, 6, 88), dtype=np.uint8)
    rolls[:, :, 40:50] = rng.random((12, 6, 10)) < 0.3
    split = loading.Split(list(rolls), {}, 88)
    shape = CorpusShape("music", 88, 7)
    corpus = loading.Corpus(shape, {}, {"train": split, "valid": split, "test": split})
    return training_of(spec, corpus, folder)


@pytest.mark.parametrize("steps", [1, 5])
def test_a_cut_run_goes_on_in_the_keys_of_its_epoch(steps: int, tmp_path: Path) -> None:
    spec = tiny_spec(kind="music", transpose=4)
    whole, plain = musical(spec, tmp_path / "whole").fit(), musical(tiny_spec(kind="music"), tmp_path / "plain").fit()
    again = musical(tiny_spec(kind="music", transpose=4, state_minutes=0.0), tmp_path / "cut").cut_and_resumed(steps)
    assert again.state.history == whole.state.history != plain.state.history


def test_every_epoch_has_keys_of_its_own_and_validation_none(tmp_path: Path) -> None:
    of = musical(tiny_spec(kind="music", transpose=4), tmp_path)
    train = of.corpus.splits["train"]
    original, first = (np.stack(split.sequences) for split in (train, of.state.transposed(train)))
    of.state.epoch = 1
    second = np.stack(of.state.transposed(train).sequences)
    assert not np.array_equal(first, second) and not np.array_equal(first, original)
    assert np.array_equal(original, np.stack(of.corpus.splits["valid"].sequences))


def test_weight_decay_shrinks_weights_besides_the_step(corpus: Path, tmp_path: Path) -> None:
    plain, decayed = (
        on(corpus, tiny_spec(weight_decay=decay, learning_rate=1e-2), tmp_path / str(decay)).state
        for decay in (0.0, 0.5)
    )
    before = weights(plain.model)
    for state in (plain, decayed):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            with_gradients(state).step()
    for start, moved, shrunk in zip(before, weights(plain.model), weights(decayed.model), strict=True):
        torch.testing.assert_close(shrunk, moved - 1e-2 * 0.5 * start)


def test_the_importance_weighted_bound_is_tighter_and_of_one_sample_the_elbo(corpus: Path, tmp_path: Path) -> None:
    of = on(corpus, tiny_spec(), tmp_path)
    model = of.state.model.eval().double()
    batch = of.corpus.splits["train"].batch([0, 1, 2], "text")

    def loss(bound: Any, samples: int) -> torch.Tensor:
        return objective(model.terms(batch, samples, torch.Generator().manual_seed(0)), 1.0, bound).loss_B

    torch.testing.assert_close(loss("iwae", 1), loss("elbo", 1))
    assert (loss("iwae", 5) < loss("elbo", 5)).all()
    terms = model.terms(batch, 5, torch.Generator().manual_seed(0))
    assert terms.rate_SB is not None
    evidence_B = (-(terms.distortion_SB + terms.rate_SB)).exp().mean(0).log()
    torch.testing.assert_close(loss("iwae", 5), -evidence_B - terms.log_p_length_B)


@pytest.mark.parametrize("key", ["posterior_dropout", "decoder_dropout"])
def test_dropout_elsewhere_is_of_training_alone_and_in_its_own_network(key: str, corpus: Path, tmp_path: Path) -> None:
    spec = tiny_spec()
    of = on(corpus, spec.replace(model=spec.model.replace(**{key: 0.5})), tmp_path)
    model, plain = of.state.model.train(), on(corpus, spec, tmp_path / "plain").state.model
    batch = of.corpus.splits["train"].batch([0, 1, 2], "text")
    posterior = model.get_submodule("posterior")
    assert isinstance(posterior, Posterior)
    embedded = torch.randn(3, batch.mask_BT.shape[1], 5)
    means = [posterior(embedded, batch.mask_BT)[0] for _ in range(2)]
    assert torch.equal(*means) == (key == "decoder_dropout")

    def loss(model: SequenceModel) -> torch.Tensor:
        return objective(model.terms(batch, 2, torch.Generator().manual_seed(0)), 1.0).loss_B

    assert not torch.equal(loss(model), loss(model))
    assert torch.equal(loss(model.eval()), loss(plain.eval()))
