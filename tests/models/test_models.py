"""Models of the paper: sizes, samples, and the recurrence against PyTorch's own."""

import pytest
import torch

from lnf.corpora.batches import CorpusShape, SequenceBatch, mask_of
from lnf.models.base import build_model
from lnf.models.latent import Decoder, LatentModel
from lnf.nn import chain as cpu_chain
from lnf.nn import gpu_chain, recording
from lnf.nn.lstm import LSTM, BiLSTM
from lnf.nn.positions import position_codes
from lnf.spec import ModelSpec
from tests.models.gpu_chain_here import chain_of_gpus_here, recorded_again
from tests.specs import PRIORS, tiny_spec

PARAMETERS = {
    "lstm": 5_436_051,
    "af_af": 29_493_901,
    "af_scf": 29_418_276,
    "iaf_scf": 29_267_626,
    "af_only": 23_981_401,
    "af_af_affine": 29_418_151,
    "af_none": 29_166_901,
    "af_none_affine": 29_091_751,
}
"""docs/paper.md 3e, "Rows": PTB, M = 288, V = 51."""


@pytest.mark.parametrize("prior", PRIORS)
def test_parameter_counts_of_the_paper(prior: str) -> None:
    layers = {"iaf_scf": 3, "af_none": 1, "af_none_affine": 1}.get(prior, 5)
    spec = tiny_spec(prior).replace(model=ModelSpec(flow_layers=layers))
    with torch.device("meta"):
        model = build_model(spec, CorpusShape("text", 51, 288, torch.zeros(289)))
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[prior]


@pytest.mark.parametrize("kind", ["text", "music"])
@pytest.mark.parametrize("prior", PRIORS)
def test_every_row_samples(prior: str, kind: str) -> None:
    spec = tiny_spec(prior, kind="text" if kind == "text" else "music")
    torch.manual_seed(0)
    model = build_model(spec, CorpusShape(kind, 5, 8, torch.zeros(9))).eval()
    lengths_B = model.sample_lengths(4, torch.Generator().manual_seed(3))
    assert lengths_B.min() >= 1 and lengths_B.max() <= 8
    with torch.no_grad():
        first, again = (model.sample(lengths_B, torch.Generator().manual_seed(0)) for _ in range(2))
    assert first.x.shape == ((4, int(lengths_B.max())) if kind == "text" else (4, int(lengths_B.max()), 5))
    assert torch.equal(first.x, again.x) and torch.equal(first.lengths_B, lengths_B)
    assert first.x.min() >= 0 and first.x.max() <= (4 if kind == "text" else 1)
    assert (first.x[~first.mask_BT] == 0).all()


@pytest.mark.parametrize("prior", [name for name in PRIORS if name != "lstm"])
def test_samples_of_the_prior_have_the_priors_noise(prior: str) -> None:
    """z ~ p(z) maps back to the standard normal noise that it came from."""
    torch.manual_seed(0)
    model = build_model(tiny_spec(prior), CorpusShape("text", 5, 8, torch.zeros(9))).double().eval()
    assert isinstance(model, LatentModel)
    mask_BT = mask_of(torch.tensor([8, 5, 1]))
    with torch.no_grad():
        z_BTH = model.prior.sample(mask_BT, torch.Generator().manual_seed(0))
        e_BTH, _ = model.prior.to_noise(z_BTH, mask_BT)
    expected = torch.randn(3, 8, model.prior.latent, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(e_BTH, expected * mask_BT[..., None], rtol=0, atol=1e-8)


def test_samples_of_the_baseline_follow_its_likelihood() -> None:
    """Frequencies of all texts of two letters agree with p(x|T) (chi-square, fixed seed)."""
    torch.manual_seed(0)
    model = build_model(tiny_spec("lstm"), CorpusShape("text", 3, 4, torch.zeros(5))).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.7)
        texts = torch.cartesian_prod(torch.arange(3), torch.arange(3))
        log_p = -model.terms(SequenceBatch(texts, torch.ones_like(texts, dtype=torch.bool)), 1).distortion_SB[0]
        x = model.sample(torch.full((20_000,), 2), torch.Generator().manual_seed(0)).x
    counts = torch.bincount(x[:, 0] * 3 + x[:, 1], minlength=9)
    expected = 20_000 * log_p.exp()
    assert ((counts - expected) ** 2 / expected).sum() < 26.1  # 99.9 % point with 8 degrees of freedom


@pytest.mark.parametrize("stretch", [1, 3, 100])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("chain", ["cpu", "gpu", *(["cuda"] if torch.cuda.is_available() else [])])
def test_recurrence_is_pytorchs(chain: str, directions: int, stretch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and gradients equal `torch.nn.LSTM` on packed sequences with one-hot positions, in float64, however many
    steps are taken at once; on a GPU, and as a GPU takes them, on the CPU.
    """
    for module in (cpu_chain, gpu_chain):
        monkeypatch.setattr(module, "STRETCH_BYTES", stretch * directions * 4 * 4 * 5 * 8)
    monkeypatch.setattr(gpu_chain, "PIECE", 2)
    recorded_again(monkeypatch)
    if chain == "gpu":
        chain_of_gpus_here(monkeypatch)
    with torch.device("cuda" if chain == "cuda" else "cpu"):
        for _ in range(2):  # recorded at the first, with what lies in the recordings at the second
            _require_pytorchs(directions)
    assert recording._recordings or chain == "cpu"


def _require_pytorchs(directions: int) -> None:
    inputs, units, layers, max_length = 4, 5, 2, 9
    torch.manual_seed(0)
    lengths_B = torch.tensor([7, 4, 4, 1])
    mask_BT = mask_of(lengths_B)
    codes_BT2 = position_codes(mask_BT, max_length)
    x_BTI = torch.randn(4, 7, inputs, dtype=torch.float64, requires_grad=True)
    theirs = torch.nn.LSTM(inputs + 2 * max_length, units, layers, bidirectional=directions == 2, batch_first=True)
    theirs = theirs.double()
    ours = (LSTM if directions == 1 else BiLSTM)(inputs, units, layers, max_length).double()
    suffixes = ["", "_reverse"][:directions]
    with torch.no_grad():
        for n, layer in enumerate(ours.layers):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                stacked = torch.stack([theirs.get_parameter(f"{name}_l{n}{suffix}") for suffix in suffixes])
                if name == "weight_ih" and n == 0:
                    ours.position.weight.copy_(stacked[:, :, inputs:].flatten(0, 1).T)
                    stacked = stacked[:, :, :inputs]
                layer.get_parameter(name).copy_(stacked)
    onehots = torch.zeros(4, 7, 2 * max_length, dtype=torch.float64).scatter_(2, codes_BT2, 1.0)
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.cat([x_BTI, onehots], -1), lengths_B.cpu(), batch_first=True)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    if isinstance(ours, LSTM):
        found = ours(x_BTI, codes_BT2, ours.zero_state(x_BTI))
    else:
        found = ours(x_BTI, codes_BT2, mask_BT)
    found = found * mask_BT[..., None]
    with torch.no_grad():
        again = ours(x_BTI, codes_BT2, ours.zero_state(x_BTI) if isinstance(ours, LSTM) else mask_BT)
    torch.testing.assert_close(again * mask_BT[..., None], found, rtol=0, atol=1e-12)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    weights = torch.randn_like(expected)
    d_x, d_x_expected = (
        torch.autograd.grad((y * weights).sum(), x_BTI, retain_graph=True)[0] for y in (found, expected)
    )
    torch.testing.assert_close(d_x, d_x_expected, rtol=0, atol=1e-12)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    for n, layer in enumerate(ours.layers):
        for name in ("weight_ih", "weight_hh", "bias_ih"):
            stacked = torch.stack([theirs.get_parameter(f"{name}_l{n}{suffix}").grad for suffix in suffixes])
            if name == "weight_ih" and n == 0:
                stacked = stacked[:, :, :inputs]
            torch.testing.assert_close(layer.get_parameter(name).grad, stacked, rtol=0, atol=1e-12)
    table = torch.cat([theirs.get_parameter(f"weight_ih_l0{suffix}").grad[:, inputs:] for suffix in suffixes])
    torch.testing.assert_close(ours.position.weight.grad, table.T, rtol=0, atol=1e-12)


def test_decoder_features_are_of_neighbours_and_their_gradient() -> None:
    """[z_t; F_{t-1}; R_{t+1}], zero beyond the ends of each sequence, whatever lies on padding."""
    torch.manual_seed(0)
    decoder = Decoder(3, 9, 4, 2).double()
    mask_BT = mask_of(torch.tensor([5, 3]))
    z_BTH = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    outputs = decoder.lstm(z_BTH, position_codes(mask_BT, 9), mask_BT).detach()
    features = decoder(z_BTH, mask_BT)
    for b, length in enumerate([5, 3]):
        for t in range(length):
            before = outputs[b, t - 1, :4] if t > 0 else torch.zeros(4)
            after = outputs[b, t + 1, 4:] if t + 1 < length else torch.zeros(4)
            assert torch.equal(features[b, t], torch.cat([z_BTH[b, t], before, after]))
    assert torch.autograd.gradcheck(lambda z: decoder(z, mask_BT)[mask_BT], z_BTH)
