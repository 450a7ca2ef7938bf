"""Models that predict each step from the steps before it: features in two ways, prompts that are continued."""

import pytest
import torch

from beyond.transformer import Transformer
from lnf.corpora.batches import CorpusShape
from lnf.models.autoregressive import AutoregressiveModel
from lnf.models.baseline import LSTMModel

MODELS = ("lstm", "transformer")


def model_of(name: str, kind: str) -> AutoregressiveModel:
    torch.manual_seed(0)
    shape = CorpusShape(kind, 9 if kind == "text" else 88, 12)
    model = LSTMModel(shape, 8, 8) if name == "lstm" else Transformer(shape, units=8, layers=3, heads=2)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return model.double().eval()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["text", "music"])
def test_features_step_by_step_are_those_of_all_steps_at_once(name: str, kind: str) -> None:
    model = model_of(name, kind)
    batch = model.sample([12, 1, 7, 9], torch.Generator().manual_seed(0))
    step = model.stepper(batch.mask_BT)
    with torch.no_grad():
        one_by_one = torch.stack([step(batch.x[:, t - 1] if t else None) for t in range(12)], 1)
        at_once = model.features(batch)
    torch.testing.assert_close(one_by_one[batch.mask_BT], at_once[batch.mask_BT])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["text", "music"])
def test_a_prompt_is_continued(name: str, kind: str) -> None:
    """By what the model would have drawn: with its own beginning as the prompt, a sample is drawn again."""
    model = model_of(name, kind)
    drawn = model.sample([9, 5], torch.Generator().manual_seed(1))
    prompt = model.batch([drawn.x[0, :4].numpy(), drawn.x[1, :2].numpy()])
    again = model.continued(prompt, [9, 5], torch.Generator().manual_seed(1))
    assert torch.equal(again.x, drawn.x)
    other = model.continued(prompt, [9, 5], torch.Generator().manual_seed(2))
    assert torch.equal(other.x[0, :4], drawn.x[0, :4]) and not torch.equal(other.x, drawn.x)
