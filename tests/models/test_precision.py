"""bfloat16 products: everything else keeps its dtype, and what comes out is what float32 gives, to 8 bits."""

import pytest
import torch
from torch import Tensor

from lnf.corpora.batches import CorpusShape, SequenceBatch, mask_of
from lnf.flows.transforms import NLSq
from lnf.models.base import SequenceModel, build_model
from lnf.models.objectives import Terms
from lnf.nn.linear import products_in
from tests.specs import PRIORS, tiny_spec

CPU = torch.device("cpu")


def built(prior: str) -> tuple[SequenceModel, SequenceBatch]:
    torch.manual_seed(0)
    model = build_model(tiny_spec(prior, "music"), CorpusShape("music", 5, 9, torch.full((10,), -2.0)))
    mask_BT = mask_of(torch.tensor([8, 5, 1]))
    x = (torch.rand(3, 8, 5) < 0.4).float() * mask_BT[..., None]
    return model, SequenceBatch(x, mask_BT)


def terms_and_gradient(model: SequenceModel, batch: SequenceBatch, precision: str) -> tuple[Terms, Tensor]:
    model.zero_grad()
    with products_in(precision, CPU):
        terms = model.terms(batch, 2, torch.Generator().manual_seed(0))
    (terms.distortion_SB.sum() + (0 if terms.rate_SB is None else terms.rate_SB.sum())).backward()
    return terms, torch.cat(
        [parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None]
    )


@pytest.mark.parametrize("prior", PRIORS)
def test_bfloat16_products_are_close(prior: str) -> None:
    model, batch = built(prior)
    plain, gradient = terms_and_gradient(model, batch, "float32")
    coarse, coarse_gradient = terms_and_gradient(model, batch, "bfloat16")
    assert not torch.equal(plain.distortion_SB, coarse.distortion_SB)
    torch.testing.assert_close(coarse.distortion_SB, plain.distortion_SB, rtol=0.02, atol=0.02)
    assert torch.nn.functional.cosine_similarity(coarse_gradient, gradient, dim=0) > 0.995
    if plain.rate_SB is not None and coarse.rate_SB is not None:
        torch.testing.assert_close(coarse.rate_SB, plain.rate_SB, rtol=0.02, atol=0.05)


@pytest.mark.parametrize("prior", PRIORS)
def test_only_products_are_coarse(prior: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What enters the scalar transform, the terms of the bound and all gradients are float32."""
    entered: list[torch.dtype] = []
    plain = NLSq.to_noise

    def watched(y: Tensor, raw: list[Tensor]) -> tuple[Tensor, Tensor]:
        entered.extend(tensor.dtype for tensor in (y, *raw))
        return plain(y, raw)

    monkeypatch.setattr(NLSq, "to_noise", staticmethod(watched))
    model, batch = built(prior)
    terms, gradient = terms_and_gradient(model, batch, "bfloat16")
    assert set(entered) <= {torch.float32} and bool(entered) == (prior != "lstm" and "affine" not in prior)
    assert terms.distortion_SB.dtype == gradient.dtype == torch.float32
    assert terms.rate_SB is None or terms.rate_SB.dtype == torch.float32


def test_float32_is_what_runs_without_it() -> None:
    model, batch = built("af_af")
    bare = model.terms(batch, 2, torch.Generator().manual_seed(0))
    inside, _ = terms_and_gradient(model, batch, "float32")
    assert torch.equal(bare.distortion_SB, inside.distortion_SB)
