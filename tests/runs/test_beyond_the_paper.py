"""Settings that the paper does not have: averaged weights, weight decay, a tighter bound, dropout in every network."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lnf.corpora import loading
from lnf.models.objectives import objective
from lnf.models.posterior import Posterior
from lnf.runs import checkpoint
from lnf.runs.resume_state import RunState
from lnf.runs.trainer import Totals, Trainer
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


@pytest.mark.parametrize("steps", [3, 25])
def test_a_cut_run_goes_on_with_its_average(steps: int, corpus: Path, tmp_path: Path) -> None:
    spec = tiny_spec(average=0.9, state_minutes=0.0)
    whole, cut = trainer_of(spec, corpus, tmp_path / "whole"), trainer_of(spec, corpus, tmp_path / "cut")
    whole.fit()
    taken, original = 0, cut._step

    def step(*arguments: Any) -> None:
        nonlocal taken
        if taken == steps:
            raise KeyboardInterrupt
        taken += 1
        original(*arguments)

    cut._step = step  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        cut.fit()
    again = Trainer(spec, cut.corpus, cut.store, cut.device)
    again.fit()
    assert again.history == whole.history
    assert all(map(torch.equal, weights(again.judged), weights(whole.judged)))


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
        return objective(trainer.model, batch, 1.0, samples, torch.Generator().manual_seed(0), bound).loss_B

    torch.testing.assert_close(loss("iwae", 1), loss("elbo", 1))
    assert (loss("iwae", 5) < loss("elbo", 5)).all()
    terms = trainer.model.terms(batch, 5, torch.Generator().manual_seed(0))
    assert terms.rate_SB is not None
    evidence_B = (-(terms.distortion_SB + terms.rate_SB)).exp().mean(0).log()
    torch.testing.assert_close(loss("iwae", 5), -evidence_B - terms.log_p_length_B)


@pytest.mark.parametrize("key", ["posterior_dropout", "decoder_dropout"])
def test_dropout_elsewhere_is_of_training_alone_and_in_its_own_network(key: str, corpus: Path, tmp_path: Path) -> None:
    spec = tiny_spec()
    trainer = trainer_of(replace(spec, model=replace(spec.model, **{key: 0.5})), corpus, tmp_path)
    plain = trainer_of(spec, corpus, tmp_path / "plain")
    batch = trainer.corpus.splits["train"].batch([0, 1, 2], "text")
    posterior = trainer.model.get_submodule("posterior")
    assert isinstance(posterior, Posterior)
    embedded = torch.randn(3, batch.mask_BT.shape[1], 5)
    means = [posterior(embedded, batch.mask_BT)[0] for _ in range(2)]
    assert torch.equal(*means) == (key == "decoder_dropout")
    losses = [objective(trainer.model, batch, 1.0, 2, torch.Generator().manual_seed(0)).loss_B for _ in range(2)]
    assert not torch.equal(*losses)
    both = [
        objective(one.model.eval(), batch, 1.0, 2, torch.Generator().manual_seed(0)).loss_B for one in (trainer, plain)
    ]
    assert torch.equal(*both)
