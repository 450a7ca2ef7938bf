"""Variants with one leak each, which laws on a few steps, dimensions and sequences do not see."""

from itertools import count

import torch
from torch import Tensor

from lnf.corpora.batches import SequenceBatch
from lnf.flows.base import Prior
from lnf.flows.time import AutoregressiveTime
from lnf.flows.transforms import Affine
from lnf.models.autoregressive import Stepper
from lnf.models.baseline import LSTMModel
from lnf.spec import Spec
from tests.specs import tiny_spec


class LooksAheadInLongSequences(AutoregressiveTime):
    """Not causal, only for T > 8."""

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        e_BTH, log_det_BT = super().noise_steps(z_BTH, mask_BT)
        if z_BTH.shape[1] > 8:
            ahead_BTH = torch.nn.functional.pad(z_BTH[:, 1:] * mask_BT[:, 1:, None], (0, 0, 0, 1))
            e_BTH = e_BTH + 0.1 * ahead_BTH
        return e_BTH, log_det_BT


class WrongLogDetFarOut(AutoregressiveTime):
    """The log-determinant is wrong where |z| > 6."""

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        e_BTH, log_det_BT = super().noise_steps(z_BTH, mask_BT)
        return e_BTH, log_det_BT - 0.1 * (z_BTH.abs() > 6).any(-1)

    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        z_BTH, log_det_BT = super().latent_steps(e_BTH, mask_BT)
        return z_BTH, log_det_BT + 0.1 * (z_BTH.abs() > 6).any(-1)


class ClampedInverse(AutoregressiveTime):
    """The way back stops at 8."""

    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        z_BTH, log_det_BT = super().latent_steps(e_BTH, mask_BT)
        return z_BTH.clamp(-8, 8), log_det_BT


class WrongInFloat32(AutoregressiveTime):
    """Right in float64, in which laws are tried."""

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        e_BTH, log_det_BT = super().noise_steps(z_BTH, mask_BT)
        return (e_BTH * 1.01 if e_BTH.dtype == torch.float32 else e_BTH), log_det_BT


class WrongInTraining(AutoregressiveTime):
    """Right in eval mode, in which laws are tried."""

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        e_BTH, log_det_BT = super().noise_steps(z_BTH, mask_BT)
        return (e_BTH * 1.01 if self.training else e_BTH), log_det_BT


class WrongInManyDimensions(AutoregressiveTime):
    """The fifth dimension's share of the log-determinant is wrong."""

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        e_BTH, log_det_BT = super().noise_steps(z_BTH, mask_BT)
        return e_BTH, log_det_BT - 0.1 * z_BTH[..., 4:].tanh().sum(-1)

    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        z_BTH, log_det_BT = super().latent_steps(e_BTH, mask_BT)
        return z_BTH, log_det_BT + 0.1 * z_BTH[..., 4:].tanh().sum(-1)


class MixesLargeBatches(AutoregressiveTime):
    """A mean over the batch, if it has more than eight sequences."""

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        e_BTH, log_det_BT = super().noise_steps(z_BTH, mask_BT)
        return (e_BTH + 0.1 * z_BTH.mean(0) if len(z_BTH) > 8 else e_BTH), log_det_BT


class SeesItsAnswerInMusic(LSTMModel):
    """An exact model that is given x_t, on music."""

    def nll_steps(self, batch: SequenceBatch) -> Tensor:
        nll_BT = super().nll_steps(batch)
        return nll_BT - 0.1 * batch.mask_BT if batch.x.dim() == 3 else nll_BT


class SeesItsAnswerLate(LSTMModel):
    """An exact model that is given x_t, for t > 8."""

    def nll_steps(self, batch: SequenceBatch) -> Tensor:
        nll_BT = super().nll_steps(batch)
        late_BT = batch.mask_BT & (torch.arange(nll_BT.shape[1]) >= 8)
        return nll_BT - 0.1 * late_BT


class ForgetsLate(LSTMModel):
    """An exact model whose samples forget what came before, for t > 8."""

    def stepper(self, mask_BT: Tensor) -> Stepper:
        whole, afresh, steps = super().stepper(mask_BT), super().stepper(mask_BT), count()
        return lambda before: (whole if next(steps) < 8 else afresh)(before)


PRIORS = {
    LooksAheadInLongSequences: "causal/wide",
    WrongLogDetFarOut: "log_det_is_the_jacobians/wide",
    ClampedInverse: "invertible/wide",
    WrongInFloat32: "prior_is_the_same_in_float32/wide",
    WrongInTraining: "prior_is_the_same_in_training/wide",
    WrongInManyDimensions: "log_det_is_the_jacobians/wide",
    MixesLargeBatches: "batch_independent/wide",
}
"""Mutant of AF in time -> the law that it breaks."""
BASELINES = {SeesItsAnswerInMusic: "normalised/music/4", SeesItsAnswerLate: "normalised/text/10"}
"""Mutant of the LSTM -> the law that it breaks."""


# Mistakes of contract: each is no variant at all.


def a_function(*arguments: object) -> None:
    """No class."""


class NoPrior:
    """Of no base."""


class OtherConstructor(AutoregressiveTime):
    """Takes other arguments."""

    def __init__(self, latent: int) -> None:
        raise NotImplementedError(latent)


class NoWayBack(Prior):
    """Lacks a method."""

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        return z_BTH, z_BTH.sum(-1)


class WrongShape(AutoregressiveTime):
    """Gives a log-determinant for each dimension."""

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        e_BTH, log_det_BT = super().noise_steps(z_BTH, mask_BT)
        return e_BTH, log_det_BT[..., None].expand_as(e_BTH)


class NotFinite(AutoregressiveTime):
    """Gives NaN."""

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        e_BTH, log_det_BT = super().noise_steps(z_BTH, mask_BT)
        return e_BTH * torch.nan, log_det_BT


class Breaks(AutoregressiveTime):
    """Raises on the way."""

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        raise ValueError("no luck\nand a second line")


class NoParameters:
    """A transform that does not say how many parameters it has."""

    to_noise, to_latent = Affine.to_noise, Affine.to_latent


class OneWay:
    """A transform without its inverse."""

    parameters = 2
    to_noise = staticmethod(Affine.to_noise)


def spec_of(**parts: type) -> Spec:
    """The spec of AF / SCF, or of the LSTM for another model, with some of its classes replaced."""
    spec = tiny_spec("lstm" if issubclass(parts.get("model", object), LSTMModel) else "af_scf")
    paths = {key: f"{cls.__module__}.{cls.__qualname__}" for key, cls in parts.items()}
    return spec.replace(prior=spec.prior.replace(name="mutant", **paths))
