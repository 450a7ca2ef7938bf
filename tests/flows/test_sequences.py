"""Same noise, same z: whole sequences drawn with compiled inverses and by the plain definition."""

import pytest
import torch

from lnf.corpora.batches import mask_of
from lnf.flows import compiled
from lnf.models.latent import build_prior
from tests.specs import LATENT_PRIORS, tiny_spec

STEPS = 64


@pytest.mark.parametrize("prior", LATENT_PRIORS)
def test_same_noise_same_z(prior: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To 1e-8 in float64 after 64 steps, each of which feeds the next, with weights far from their start."""
    torch.manual_seed(0)
    built = build_prior(tiny_spec(prior), STEPS).double().eval()
    mask_BT, e_BTH = mask_of(torch.tensor([STEPS, 9])), torch.randn(2, STEPS, 3, dtype=torch.float64)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        assert compiled.available()
        z_BTH, log_det_B = built.to_latent(e_BTH, mask_BT)
        monkeypatch.setattr(compiled, "available", lambda: False)
        plain_BTH, plain_log_det_B = built.to_latent(e_BTH, mask_BT)
    torch.testing.assert_close(z_BTH, plain_BTH, rtol=0, atol=1e-8)
    torch.testing.assert_close(log_det_B, plain_log_det_B, rtol=0, atol=1e-7)
