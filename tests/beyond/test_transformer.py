"""The Transformer drawn step by step is the Transformer of the likelihood."""

import pytest
import torch

from beyond.transformer import Transformer
from lnf.corpora.batches import CorpusShape
from lnf.models.base import Sampling


@pytest.mark.parametrize("kind", ["text", "music"])
def test_the_likeliest_next_step_is_that_of_all_steps_at_once(kind: str) -> None:
    torch.manual_seed(0)
    width = 9 if kind == "text" else 88
    model = Transformer(CorpusShape(kind, width, 12), units=8, layers=3, heads=2).double().eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    lengths = torch.tensor([12, 1, 7, 9])
    drawn = model.sample(lengths, how=Sampling(greedy=True))
    features_BTU = model._features(drawn.x, drawn.mask_BT)
    likeliest = model.emission.sample(features_BTU, greedy=True)
    assert torch.equal(likeliest[drawn.mask_BT], drawn.x[drawn.mask_BT])


def test_the_features_of_a_next_step_are_those_of_all_steps_at_once() -> None:
    torch.manual_seed(0)
    model = Transformer(CorpusShape("text", 9, 12), units=8, layers=3, heads=2).double().eval()
    inputs_BTU = torch.randn(4, 12, 8, dtype=torch.float64)
    at_once = model.body(inputs_BTU, mask=torch.ones(12, 12, dtype=torch.bool).triu(1))
    attended: list[torch.Tensor | None] = [None] * 3
    one_by_one = torch.stack([model._next(inputs_BTU[:, t], attended) for t in range(12)], 1)
    torch.testing.assert_close(one_by_one, at_once)
