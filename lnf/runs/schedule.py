"""Schedules of training: the KL weight, and the learning rate that falls when validation stalls.

References: docs/paper.md 3e "Schedules".
"""

from dataclasses import dataclass
from typing import Literal

from lnf.plan.ramp import first_choosing_epoch
from lnf.spec import TrainSpec


def kl_weight(train: TrainSpec, epoch: int) -> float:
    """w(i): kl_floor for the first epochs, then linear to 1; epoch -1 has the weight of epoch 0."""
    if not train.kl_anneal or epoch > train.kl_floor_epochs + train.kl_ramp_epochs:
        return 1.0
    if epoch < train.kl_floor_epochs or train.kl_ramp_epochs == 0:
        return train.kl_floor
    return train.kl_floor + (epoch - train.kl_floor_epochs) / train.kl_ramp_epochs * (1 - train.kl_floor)


def batch_kl_weight(train: TrainSpec, epoch: int, batch: int, batches: int) -> float:
    """The KL weight of batch j of J: linear from the former epoch's value to this one's."""
    before = kl_weight(train, max(epoch - 1, 0))
    return before + (kl_weight(train, epoch) - before) * batch / batches


@dataclass
class Plateau:
    """Best validation loss, and the learning rate that is divided when `patience` epochs bring no better one."""

    learning_rate: float
    best: float | None = None
    best_epoch: int | None = None
    impatience: int = 0

    def update(self, train: TrainSpec, epoch: int, valid_loss: float) -> Literal["best", "decay", "wait"]:
        """Take in an epoch's validation loss; on "decay" the learning rate has been divided."""
        if epoch < first_choosing_epoch(train):
            return "wait"
        if self.best is None or valid_loss < self.best:
            self.best, self.best_epoch, self.impatience = valid_loss, epoch, 0
            return "best"
        self.impatience += 1
        if self.impatience < train.patience:
            return "wait"
        self.learning_rate /= train.decay_factor
        self.impatience = 0
        return "decay"
