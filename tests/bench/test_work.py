"""The counts of operations are those that PyTorch's own counter finds in what runs."""

from typing import Literal

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lnf.bench import work
from lnf.corpora.batches import CorpusShape, SequenceBatch, mask_of
from lnf.kernels import compiler
from lnf.models.base import SequenceModel
from lnf.models.build import build_model
from lnf.spec import ModelSpec, Spec
from tests.specs import PRIORS, tiny_spec

BATCH, SAMPLES, LENGTH, WIDTH = 3, 4, 30, 20
SIZE = ModelSpec(latent=10, hidden=40, embedding=30, layers=2, flow_layers=3, flow_hidden=20, dropout=0.0)
CLOSE = 0.02


def built(prior: str, kind: Literal["text", "music"]) -> tuple[Spec, CorpusShape, SequenceModel]:
    size = SIZE.replace(flow_layers=1) if "none" in prior else SIZE
    spec = tiny_spec(prior, kind).replace(model=size)
    shape = CorpusShape(kind, WIDTH, LENGTH + 5, torch.full((LENGTH + 6,), -3.0))
    return spec, shape, build_model(spec, shape).eval()


def batch_of(kind: str) -> SequenceBatch:
    mask_BT = mask_of(torch.full((BATCH,), LENGTH))
    x = torch.randint(WIDTH, mask_BT.shape)
    return SequenceBatch(x if kind == "text" else torch.nn.functional.one_hot(x, WIDTH).float(), mask_BT)


@pytest.mark.parametrize("kind", ["text", "music"])
@pytest.mark.parametrize("prior", PRIORS)
def test_scores_cost_what_the_counter_counts(prior: str, kind: Literal["text", "music"]) -> None:
    spec, shape, model = built(prior, kind)
    samples = 1 if prior == "lstm" else SAMPLES
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.terms(batch_of(kind), samples)
    counted = counter.get_total_flops()
    assert work.scores(spec, shape, BATCH, samples, LENGTH).total == pytest.approx(counted, rel=CLOSE)


@pytest.mark.parametrize("prior", [prior for prior in PRIORS if not prior.startswith(("af_af", "af_only"))])
def test_samples_cost_what_the_counter_counts(prior: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of AF in hidden the floor counts each hidden unit once, and not once for each variable. The counter does not see
    into kernels.
    """
    monkeypatch.setattr(compiler, "available", lambda: False)
    spec, shape, model = built(prior, "text")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.sample(torch.full((BATCH,), LENGTH))
    counted = counter.get_total_flops()
    assert work.samples(spec, shape, BATCH, LENGTH).total == pytest.approx(counted, rel=CLOSE)


@pytest.mark.parametrize("prior", PRIORS)
def test_a_training_step_costs_twice_as_much_again(prior: str) -> None:
    """The way back has two products for each of the way forward, but those whose inputs need no gradient."""
    spec, shape, model = built(prior, "text")
    samples = 1 if prior == "lstm" else SAMPLES
    with FlopCounterMode(display=False) as counter:
        terms = model.terms(batch_of("text"), samples)
        (terms.distortion_SB.mean() + (terms.rate_SB.mean() if terms.rate_SB is not None else 0)).backward()
    counted = counter.get_total_flops()
    assert 3 * work.scores(spec, shape, BATCH, samples, LENGTH).total == pytest.approx(counted, rel=5 * CLOSE)
