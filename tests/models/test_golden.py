"""Every entry of the golden vectors: the authors' weights in our modules give their numbers (docs/paper.md 3e)."""

import pytest
import torch
from torch import Tensor

from lnf.models.baseline import LSTMModel
from lnf.models.latent import LatentModel, reparameterise
from tests.models import golden

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
DTYPES = pytest.mark.parametrize("dtype", list(TOLERANCE), ids=["float64", "float32"])
LATENT = [entry for entry in golden.entries() if not entry.endswith(".lstm")]
EXACT = [entry for entry in golden.entries() if entry.endswith(".lstm")]


def test_all_rows_are_there() -> None:
    assert {entry.split(".")[1] for entry in golden.entries() if entry.startswith("text.")} == set(golden.ROWS)
    assert set(EXACT) == {"text.lstm", "music.lstm"} and "music.af_af" in LATENT


@DTYPES
@pytest.mark.parametrize("entry", EXACT)
def test_lstm_likelihood(entry: str, dtype: torch.dtype) -> None:
    vectors = golden.load(entry, dtype)
    assert isinstance(vectors.model, LSTMModel)
    nll_BT = vectors.model.nll_steps(vectors.batch)
    _close(nll_BT.T, vectors.expected["nll_TB"], dtype)


@DTYPES
@pytest.mark.parametrize("entry", LATENT)
def test_latent_model(entry: str, dtype: torch.dtype) -> None:
    vectors = golden.load(entry, dtype)
    model, batch, expected = vectors.model, vectors.batch, vectors.expected
    assert isinstance(model, LatentModel)
    noise_SBTH = vectors.inputs["posterior_noise_TBSH"].permute(2, 1, 0, 3).to(dtype)
    samples, mask_NT = len(noise_SBTH), batch.mask_BT.repeat(len(noise_SBTH), 1)
    mean, logvar = model.posterior(model.emission.embed(batch.x), batch.mask_BT)
    z_SBTH, log_q_SBT = reparameterise(mean, logvar, noise_SBTH)
    z_SBTH = z_SBTH * batch.mask_BT[..., None]
    e_NTH, _ = model.prior.to_noise(z_SBTH.flatten(0, 1), mask_NT)
    log_det_NT = model.prior.noise_steps(z_SBTH.flatten(0, 1), mask_NT)[1] * mask_NT
    e_SBTH, log_det_SBT = e_NTH.unflatten(0, (samples, -1)), log_det_NT.unflatten(0, (samples, -1))
    distortion_SBT = model.distortion_steps(z_SBTH.flatten(0, 1), batch)

    _close(z_SBTH.permute(2, 1, 0, 3), expected["z_TBSH"], dtype)
    _close(e_SBTH.permute(2, 1, 0, 3), expected["noise_TBSH"], dtype)
    _close(log_det_SBT.permute(2, 1, 0), expected["log_det_TBS"], dtype)
    _close((log_q_SBT * batch.mask_BT).permute(2, 1, 0), expected["log_posterior_TBS"], dtype)
    _close(distortion_SBT.permute(2, 1, 0), expected["distortion_TBS"], dtype)
    log_prior_SB = model.prior.log_prob(z_SBTH.flatten(0, 1), mask_NT).unflatten(0, (samples, -1))
    _close(log_prior_SB.T, expected["log_prior_TBS"].sum(0), dtype)


@pytest.mark.parametrize("entry", LATENT)
def test_noise_to_latent_and_back(entry: str) -> None:
    vectors = golden.load(entry, torch.float64)
    assert isinstance(vectors.model, LatentModel)
    noise_TBSH = vectors.expected["noise_TBSH"]
    e_NTH = noise_TBSH.permute(2, 1, 0, 3).flatten(0, 1)
    mask_NT = vectors.batch.mask_BT.repeat(noise_TBSH.shape[2], 1)
    z_NTH, log_det_back_N = vectors.model.prior.to_latent(e_NTH, mask_NT)
    again_NTH, log_det_N = vectors.model.prior.to_noise(z_NTH, mask_NT)
    torch.testing.assert_close(again_NTH, e_NTH, rtol=0, atol=1e-8)
    torch.testing.assert_close(log_det_N, -log_det_back_N, rtol=0, atol=1e-8)
    _close(z_NTH.unflatten(0, (2, -1)).permute(2, 1, 0, 3), vectors.expected["z_TBSH"], torch.float64, 1e-8)


def _close(ours: Tensor, theirs: Tensor, dtype: torch.dtype, tolerance: float | None = None) -> None:
    torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=tolerance or TOLERANCE[dtype])
