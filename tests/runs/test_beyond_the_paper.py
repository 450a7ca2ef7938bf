"""Settings that the paper does not have: averaged weights, weight decay, a tighter bound, more dropout, other keys."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lnf.corpora import loading
from lnf.corpora.batches import CorpusShape
from lnf.corpora.loading import length_log_probs
from lnf.models.base import SequenceModel
from lnf.models.latent import Posterior
from lnf.models.objectives import objective
from lnf.runs import checkpoint
from lnf.runs.resume_state import RunState
from lnf.runs.totals import Totals
from lnf.runs.trainer import Trainer
from lnf.runs.training import train_run
from lnf.spec import Spec
from tests.specs import tiny_spec
from tests.tiny_corpus import context, prepared


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("corpus"))


def trainer_of(spec: Spec, corpus: Path, folder: Path) -> Trainer:
    (folder / "state").mkdir(parents=True)
    trainer = Trainer(spec, loading.load(corpus, spec), RunState(folder / "state", {}), torch.device("cpu"))
    trainer.totals, trainer.first_batch = Totals(), 0
    return trainer


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def test_the_average_moves_a_share_of_the_way_at_each_step(corpus: Path, tmp_path: Path) -> None:
    trainer = trainer_of(tiny_spec(average=0.75), corpus, tmp_path)
    batch = trainer.corpus.splits["train"].batch([0, 1, 2], "text")
    trainer.model.train()
    trainer._step(0, batch, 10)
    expected = weights(trainer.model)  # the first step begins the average
    for index in (1, 2, 3):
        trainer._step(index, batch, 10)
        steps = zip(expected, weights(trainer.model), strict=True)
        expected = [0.75 * before + 0.25 * now for before, now in steps]
    for found, wanted in zip(weights(trainer.judged), expected, strict=True):
        torch.testing.assert_close(found, wanted)


def test_the_average_is_validated_and_kept(corpus: Path, tmp_path: Path) -> None:
    spec = tiny_spec(average=0.9)
    train_run(spec, corpus, tmp_path / "averaged", context(spec))
    train_run(tiny_spec(), corpus, tmp_path / "plain", context(tiny_spec()))
    trainer = trainer_of(spec, corpus, tmp_path / "again")
    trainer.fit()
    assert trainer.best_model is not None and trainer.plateau.best_epoch == trainer.train.epochs - 1
    kept = checkpoint.load(tmp_path / "averaged" / "model.pt")[0]
    for found, average, trained in zip(
        weights(kept), weights(trainer.judged), weights(trainer.model), strict=True
    ):  # the last epoch was the best one
        assert torch.equal(found, average) and not torch.equal(found, trained)
    losses = [row["valid_loss"] for row in trainer.history]
    assert losses[-1] != trainer_valid(trainer)


def trainer_valid(trainer: Trainer) -> float | None:
    """The validation loss of the weights themselves."""
    trainer.judged = trainer.model
    trainer.epoch -= 1
    return trainer.validate().per_token("loss")


def fit_in_two(trainer: Trainer, steps: int) -> Trainer:
    """Train to the end, cut after so many steps by what cannot be caught up with."""
    taken, original = 0, trainer._step

    def step(*arguments: Any) -> None:
        nonlocal taken
        if taken == steps:
            raise KeyboardInterrupt
        taken += 1
        original(*arguments)

    trainer._step = step  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        trainer.fit()
    again = Trainer(trainer.spec, trainer.corpus, trainer.store, trainer.device)
    again.fit()
    return again


@pytest.mark.parametrize("steps", [3, 25])
def test_a_cut_run_goes_on_with_its_average(steps: int, corpus: Path, tmp_path: Path) -> None:
    spec = tiny_spec(average=0.9, state_minutes=0.0)
    whole = trainer_of(spec, corpus, tmp_path / "whole")
    whole.fit()
    again = fit_in_two(trainer_of(spec, corpus, tmp_path / "cut"), steps)
    assert again.history == whole.history
    assert all(map(torch.equal, weights(again.judged), weights(whole.judged)))


def musical(spec: Spec, folder: Path) -> Trainer:
    """A trainer on short music in the middle of the keyboard."""
    rng = np.random.default_rng(0)
    rolls = np.zeros((12, 6, 88), dtype=np.uint8)
    rolls[:, :, 40:50] = rng.random((12, 6, 10)) < 0.3
    split = loading.Split(list(rolls), {}, 88)
    shape = CorpusShape("music", 88, 7, length_log_probs([6] * 24, spec.lengths))
    corpus = loading.Corpus(shape, {}, {"train": split, "valid": split, "test": split})
    (folder / "state").mkdir(parents=True)
    trainer = Trainer(spec, corpus, RunState(folder / "state", {}), torch.device("cpu"))
    trainer.totals, trainer.first_batch = Totals(), 0
    return trainer


@pytest.mark.parametrize("steps", [1, 5])
def test_a_cut_run_goes_on_in_the_keys_of_its_epoch(steps: int, tmp_path: Path) -> None:
    spec = tiny_spec(kind="music", transpose=4, state_minutes=0.0)
    whole, plain = musical(spec, tmp_path / "whole"), musical(tiny_spec(kind="music"), tmp_path / "plain")
    whole.fit()
    plain.fit()
    again = fit_in_two(musical(spec, tmp_path / "cut"), steps)
    assert again.history == whole.history != plain.history


def test_every_epoch_has_keys_of_its_own_and_validation_none(tmp_path: Path) -> None:
    trainer = musical(tiny_spec(kind="music", transpose=4), tmp_path)
    original = np.stack(trainer.corpus.splits["train"].sequences)
    first = np.stack(trainer._training_split().sequences)
    trainer.epoch = 1
    second = np.stack(trainer._training_split().sequences)
    assert not np.array_equal(first, second) and not np.array_equal(first, original)
    assert np.array_equal(original, np.stack(trainer.corpus.splits["valid"].sequences))


def test_weight_decay_shrinks_weights_beside_the_step(corpus: Path, tmp_path: Path) -> None:
    plain, decayed = (
        trainer_of(tiny_spec(weight_decay=decay, learning_rate=1e-2), corpus, tmp_path / str(decay))
        for decay in (0.0, 0.5)
    )
    before = weights(plain.model)
    for trainer in (plain, decayed):
        trainer.model.train()
        trainer.noise.manual_seed(0)
        trainer._step(0, trainer.corpus.splits["train"].batch([0, 1, 2], "text"), 10)
    for start, moved, shrunk in zip(before, weights(plain.model), weights(decayed.model), strict=True):
        torch.testing.assert_close(shrunk, moved - 1e-2 * 0.5 * start)


def test_the_importance_weighted_bound_is_tighter_and_of_one_sample_the_elbo(corpus: Path, tmp_path: Path) -> None:
    trainer = trainer_of(tiny_spec(), corpus, tmp_path)
    trainer.model.eval().double()
    batch = trainer.corpus.splits["train"].batch([0, 1, 2], "text")

    def loss(bound: Any, samples: int) -> torch.Tensor:
        return objective(trainer.model.terms(batch, samples, torch.Generator().manual_seed(0)), 1.0, bound).loss_B

    torch.testing.assert_close(loss("iwae", 1), loss("elbo", 1))
    assert (loss("iwae", 5) < loss("elbo", 5)).all()
    terms = trainer.model.terms(batch, 5, torch.Generator().manual_seed(0))
    assert terms.rate_SB is not None
    evidence_B = (-(terms.distortion_SB + terms.rate_SB)).exp().mean(0).log()
    torch.testing.assert_close(loss("iwae", 5), -evidence_B - terms.log_p_length_B)


@pytest.mark.parametrize("key", ["posterior_dropout", "decoder_dropout"])
def test_dropout_elsewhere_is_of_training_alone_and_in_its_own_network(key: str, corpus: Path, tmp_path: Path) -> None:
    spec = tiny_spec()
    trainer = trainer_of(spec.replace(model=spec.model.replace(**{key: 0.5})), corpus, tmp_path)
    plain = trainer_of(spec, corpus, tmp_path / "plain")
    batch = trainer.corpus.splits["train"].batch([0, 1, 2], "text")
    posterior = trainer.model.get_submodule("posterior")
    assert isinstance(posterior, Posterior)
    embedded = torch.randn(3, batch.mask_BT.shape[1], 5)
    means = [posterior(embedded, batch.mask_BT)[0] for _ in range(2)]
    assert torch.equal(*means) == (key == "decoder_dropout")

    def loss(model: SequenceModel) -> torch.Tensor:
        return objective(model.terms(batch, 2, torch.Generator().manual_seed(0)), 1.0).loss_B

    assert not torch.equal(loss(trainer.model), loss(trainer.model))
    assert torch.equal(loss(trainer.model.eval()), loss(plain.model.eval()))
