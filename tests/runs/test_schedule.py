"""Schedules of training, against the numbers of docs/paper.md 3e "Schedules"."""

import pytest

from lnf.plan.ramp import first_choosing_epoch
from lnf.runs.schedule import Plateau, batch_kl_weight, kl_weight
from lnf.spec import TrainSpec

PTB = TrainSpec()
MUSIC = TrainSpec(kl_floor_epochs=20, kl_ramp_epochs=15, patience=2)


def test_kl_weight_of_ptb() -> None:
    """1e-5 for epochs 0-4, then 0.1, 0.2 ... 1.0 at epoch 14."""
    assert [kl_weight(PTB, epoch) for epoch in range(5)] == [1e-5] * 5
    assert [kl_weight(PTB, 4 + n) for n in range(1, 11)] == [pytest.approx(n / 10, abs=1e-5) for n in range(1, 11)]
    assert kl_weight(PTB, 14) == 1.0


def test_kl_weight_moves_linearly_inside_an_epoch() -> None:
    before, after = kl_weight(PTB, 6), kl_weight(PTB, 7)
    assert batch_kl_weight(PTB, 7, 0, 10) == before
    assert batch_kl_weight(PTB, 7, 5, 10) == pytest.approx((before + after) / 2)
    assert batch_kl_weight(PTB, 0, 3, 10) == 1e-5
    assert batch_kl_weight(PTB, 40, 3, 10) == 1.0


def test_choosing_starts_after_the_ramp() -> None:
    assert (first_choosing_epoch(PTB), first_choosing_epoch(MUSIC)) == (15, 36)
    assert first_choosing_epoch(TrainSpec(kl_anneal=False)) == 0
    plateau = Plateau(1e-3)
    assert [plateau.update(PTB, epoch, 1.0) for epoch in (3, 14)] == ["wait", "wait"]
    assert plateau.best is None
    assert plateau.update(PTB, 15, 2.0) == "best"


def test_learning_rate_falls_when_patience_runs_out() -> None:
    plateau = Plateau(1e-3)
    outcomes = [plateau.update(MUSIC, 36 + n, loss) for n, loss in enumerate([5.0, 5.1, 5.2, 4.9, 5.0, 4.95, 4.8])]
    assert outcomes == ["best", "wait", "decay", "best", "wait", "decay", "best"]
    assert plateau.learning_rate == 1e-3 / 16
    assert (plateau.best, plateau.best_epoch) == (4.8, 42)


def test_an_equal_loss_is_not_better() -> None:
    plateau = Plateau(1e-3)
    assert [plateau.update(PTB, 20 + n, 1.0) for n in range(2)] == ["best", "decay"]
