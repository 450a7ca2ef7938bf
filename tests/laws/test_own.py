"""Classes of a user's own: a density that is not causal, sizes that few classes have, several broken laws at once."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lnf.corpora.batches import CorpusShape, SequenceBatch
from lnf.errors import UserError
from lnf.flows.base import HiddenFactory, Prior
from lnf.flows.time import AutoregressiveTime
from lnf.laws import check
from lnf.models.baseline import LSTMModel
from lnf.nn.lstm import BiLSTM
from lnf.nn.positions import position_codes
from lnf.spec import Spec
from tests.laws.mutants import spec_of


class BothWays(Prior):
    """Half of each vector, given the other half of all steps, before and after."""

    causal = False

    def __init__(self, hidden: HiddenFactory, latent: int, max_length: int, units: int = 6, **others: Any) -> None:
        super().__init__(latent)
        self.max_length, self.kept = max_length, latent // 2
        self.context = BiLSTM(self.kept, units, 1, max_length)
        self.flow = hidden(latent=latent - self.kept, context=2 * units)
        self.rest = hidden(latent=self.kept, context=1)

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = z_BTH.split([self.kept, self.latent - self.kept], -1)
        e, log_det = self.flow.to_noise(changed, self._context(kept, mask_BT))
        first, log_det_first = self.rest.to_noise(kept, torch.ones_like(kept[..., :1]))
        return torch.cat([first, e], -1), log_det + log_det_first

    def latent_steps(self, e_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        first, e = e_BTH.split([self.kept, self.latent - self.kept], -1)
        kept, log_det_kept = self.rest.to_latent(first, torch.ones_like(first[..., :1]))
        changed, log_det = self.flow.to_latent(e, self._context(kept, mask_BT))
        return torch.cat([kept, changed], -1), log_det + log_det_kept

    def _context(self, kept: Tensor, mask_BT: Tensor) -> Tensor:
        features: Tensor = self.context(kept, position_codes(mask_BT, self.max_length), mask_BT)
        return features


class SaysThatItIsCausal(BothWays):
    """And is not."""

    causal = True


class FourHeads(AutoregressiveTime):
    """Has sizes that are multiples of four only."""

    def __init__(self, hidden: HiddenFactory, latent: int, max_length: int, units: int, **others: Any) -> None:
        if units % 4:
            raise ValueError(f"{units} units cannot be shared by four heads")
        super().__init__(hidden, latent, max_length, units, **others)


class WrongTwice(AutoregressiveTime):
    """Neither its inverse nor its log-determinant is right."""

    def noise_steps(self, z_BTH: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        e_BTH, log_det_BT = super().noise_steps(z_BTH, mask_BT)
        return e_BTH + 0.1 * z_BTH, log_det_BT - 0.1 * z_BTH.tanh().sum(-1)


class Forgets(LSTMModel):
    """Keeps a tensor where model.pt does not have it."""

    def __init__(self, shape: CorpusShape, *sizes: Any) -> None:
        super().__init__(shape, *sizes)
        self.scale = torch.rand(1).item()

    def nll_steps(self, batch: SequenceBatch) -> Tensor:
        return super().nll_steps(batch) + self.scale * 0.1 * batch.mask_BT


class OneSampleAtATime(LSTMModel):
    """Cannot draw what an evaluation asks for."""

    def sample(self, lengths: Any, *arguments: Any, **others: Any) -> SequenceBatch:
        if len(lengths) == 2:
            raise ValueError("two at once")
        return super().sample(lengths, *arguments, **others)


def laws_of(spec: Spec, tmp_path: Path) -> str:
    try:
        check.check(spec, tmp_path / "check.json")
    except UserError as problem:
        return str(problem)
    return ""


def test_a_density_need_not_be_causal(tmp_path: Path) -> None:
    spec = spec_of(time=BothWays)
    assert laws_of(spec.replace(prior=spec.prior.replace(hidden="none")), tmp_path) == ""


def test_one_that_says_so_is_held_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = spec_of(time=SaysThatItIsCausal)
    found = laws_of(spec.replace(prior=spec.prior.replace(hidden="none")), tmp_path)
    assert "mutant: causal: off by" in found and "usually: noise_steps sees z_{t+1}" in found
    assert "(1 more laws do not hold: causal/wide)" in found
    assert "check mutant: causal/wide: causal: off by" in capsys.readouterr().out


def test_sizes_that_a_class_can_have_are_found(tmp_path: Path) -> None:
    assert laws_of(spec_of(time=FourHeads), tmp_path) == ""


def test_all_laws_that_do_not_hold_are_named_with_their_usual_causes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = laws_of(spec_of(time=WrongTwice), tmp_path)
    assert found.startswith("check: mutant: invertible") and "log_det_is_the_jacobians" in found
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("check mutant: ")]
    assert len(lines) > 4 and all("; usually: " in line for line in lines)


@pytest.mark.parametrize(("model", "law"), [(Forgets, "is read again"), (OneSampleAtATime, "is_evaluated")])
def test_a_model_that_the_pipeline_cannot_use_is_found(model: type, law: str, tmp_path: Path) -> None:
    assert law in laws_of(spec_of(model=model), tmp_path)
