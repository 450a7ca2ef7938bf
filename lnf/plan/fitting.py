"""Settings of a spec that are right by themselves and cannot work together."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lnf.errors import UserError
from lnf.kinds.base import kind_of
from lnf.kinds.piano import Music
from lnf.plan.ramp import first_choosing_epoch
from lnf.spec import Spec, TrainSpec


@dataclass(frozen=True)
class Misfit:
    """A setting that does not fit the others, and what would be right."""

    key: str
    value: Any
    right: str

    def __str__(self) -> str:
        return f"{self.key}: {self.value}: {self.right}"


def require_fitting(spec: Spec) -> None:
    """Raise UserError that names every misfit, if there is one."""
    found = list(misfits(spec))
    if found:
        raise UserError(f"{spec.key}: {'; '.join(map(str, found))}")


def misfits(spec: Spec) -> Iterator[Misfit]:
    """Settings that are right by themselves and cannot work together."""
    model, train, hidden = spec.model, spec.train, spec.prior.hidden
    if hidden == "af" and model.flow_hidden <= model.latent:
        right = f"must exceed model.latent ({model.latent}) with hidden 'af'"
        yield Misfit("model.flow_hidden", model.flow_hidden, right)
    if spec.prior.role == "picture" and model.latent != 2:
        yield Misfit("model.latent", model.latent, "must be 2 with role 'picture', which is drawn as a plane")
    if hidden == "scf" and model.latent < 2:
        yield Misfit("model.latent", model.latent, "must be at least 2 with hidden 'scf', which splits it")
    if train.transpose and not isinstance(kind_of(spec.kind), Music):
        yield Misfit(
            "train.transpose", train.transpose, f"must be 0 for {spec.kind}, which has no keys to be moved along"
        )
    if train.epochs <= first_choosing_epoch(train):
        yield Misfit("train.epochs", train.epochs, _more_epochs(train))
    drawn = (spec.subset.train, spec.subset.valid, spec.subset.test, spec.subset.max_length)
    if spec.lengths.smoothing == "none" and drawn != (None, None, None, None):
        yield Misfit("lengths.smoothing", "none", "must be add_one when subset draws from a corpus")


def _more_epochs(train: TrainSpec) -> str:
    """Every way out at once: more epochs, a shorter ramp if one can be short enough, or none."""
    first, room = first_choosing_epoch(train), train.epochs - 2
    now = f"kl_floor_epochs {train.kl_floor_epochs} and kl_ramp_epochs {train.kl_ramp_epochs}"
    shorter = f", or kl_floor_epochs + kl_ramp_epochs of at most {room}" if room >= 1 else ""
    return (
        f"a best epoch is chosen only after the KL ramp ({now}), so it must be at least {first + 1}{shorter}, or"
        " kl_anneal: false"
    )
