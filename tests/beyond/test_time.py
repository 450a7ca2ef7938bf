"""Flows across time beyond the paper: what is computed step by step is what is computed at once."""

from functools import partial

import pytest
import torch

import lnf
from beyond.attention import AttentiveTime
from beyond.bidirectional import BidirectionalTime
from lnf.flows.base import Prior
from lnf.flows.hidden import ElementwiseHidden

LATENT, LONGEST = 6, 9


def prior_of(cls: type[Prior], hidden: type[lnf.HiddenFlow] = ElementwiseHidden, **options: int) -> Prior:
    torch.manual_seed(0)
    flow = partial(hidden, lnf.NLSq(), layers=2, width=8)
    made = cls(flow, latent=LATENT, max_length=LONGEST, units=8, layers=2, dropout=0.0, **options)
    for parameter in made.double().parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return made.eval()


MASK_BT = torch.arange(LONGEST) < torch.tensor([[9], [4], [1]])


@pytest.mark.parametrize("hidden", [lnf.ElementwiseHidden, lnf.CouplingHidden])
def test_kept_keys_give_what_attention_over_all_steps_gives(hidden: type[lnf.HiddenFlow]) -> None:
    prior = prior_of(AttentiveTime, hidden)
    z_BTH = prior.sample(MASK_BT, torch.Generator().manual_seed(1))
    e_BTH, log_det_B = prior.to_noise(z_BTH, MASK_BT)
    back_BTH, log_det_back_B = prior.to_latent(e_BTH, MASK_BT)
    torch.testing.assert_close(back_BTH, z_BTH)
    torch.testing.assert_close(log_det_back_B, -log_det_B)


def test_each_step_is_attended_to_once_in_sampling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries are of one step each: earlier steps are not computed again."""
    from beyond import attention

    asked, original = [], attention.scaled_dot_product_attention

    def counted(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        asked.append((q.shape[2], k.shape[2]))
        return original(q, k, v)

    monkeypatch.setattr(attention, "scaled_dot_product_attention", counted)
    prior_of(AttentiveTime).sample(MASK_BT)
    assert asked == [(1, t) for t in range(1, LONGEST + 1) for _ in range(2)]


def test_heads_that_do_not_divide_the_units_are_refused() -> None:
    with pytest.raises(ValueError, match="8 units for 3 heads: a multiple of 3 would be right"):
        prior_of(AttentiveTime, heads=3)


def test_a_coupling_over_time_sees_later_steps_and_says_so() -> None:
    prior = prior_of(BidirectionalTime, couplings=3)
    assert not prior.causal
    z_BTH = torch.randn(1, 5, LATENT, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask_BT = torch.ones(1, 5, dtype=torch.bool)
    later_BTH = z_BTH.clone()
    later_BTH[:, 4] += 1
    one, other = (prior.to_noise(x, mask_BT)[0] for x in (z_BTH, later_BTH))
    assert (one[:, 0] != other[:, 0]).any()
    back_BTH = prior.to_latent(one, mask_BT)[0]
    torch.testing.assert_close(back_BTH, z_BTH)
