"""The epochs of the KL ramp (docs/paper.md 3e "Schedules"), which both the schedule and the checks of a spec know."""

from lnf.spec import TrainSpec


def first_choosing_epoch(train: TrainSpec) -> int:
    """The first epoch, from 0, whose validation loss may choose the best model: the KL ramp has ended."""
    return train.kl_floor_epochs + train.kl_ramp_epochs + 1 if train.kl_anneal else 0
