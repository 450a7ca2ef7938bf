"""The picture of modes, on a model that was really trained: densities, regions and masses are what they say."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lnf.corpora import loading, store
from lnf.corpora.sources import markov
from lnf.errors import UserError
from lnf.models.latent import LatentModel
from lnf.runs import checkpoint
from lnf.runs.training import train_run
from lnf.spec import Spec
from lnf.studies.modes import DECODE, GRID, STEPS, run_modes
from lnf.system.files import read_json
from tests.specs import tiny_spec
from tests.tiny_corpus import SETTINGS, context, prepared


def spec_of(prior: str = "af_af", latent: int = 2) -> Spec:
    spec = tiny_spec(prior)
    return spec.replace(model=spec.model.replace(latent=latent))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(run, corpus)."""
    folder = tmp_path_factory.mktemp("modes")
    corpus = prepared(folder)
    train_run(spec_of(), corpus, folder / "run", context(spec_of()))
    return folder / "run", corpus


@pytest.fixture(scope="module")
def out(trained: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    run_modes(*map(str, trained), None, 0, folder)
    return folder


def test_densities_integrate_to_one_and_masses_are_theirs(out: Path) -> None:
    facts = read_json(out / "modes.json")
    assert len(facts["integrals"]) == STEPS and all(abs(one - 1) <= 0.02 for one in facts["integrals"])
    with np.load(out / "modes.npz") as arrays:
        assert arrays["density"].shape == (STEPS, GRID, GRID) and arrays["regions"].shape == (STEPS, DECODE, DECODE)
        (left, bottom), (right, top) = facts["low"], facts["high"]
        inside = arrays["density"].sum((1, 2)) * (right - left) * (top - bottom) / GRID**2
        assert arrays["masses"].sum(1) == pytest.approx(inside, abs=0.01)
        assert (arrays["masses"] >= 0).all() and (arrays["masses"].sum(1) <= 1.01).all()
        assert arrays["exact"].sum(1) == pytest.approx(1)


def test_the_string_is_the_one_whose_entropy_varies_most(trained: tuple[Path, Path], out: Path) -> None:
    facts, source = read_json(out / "modes.json"), markov.from_settings(SETTINGS)

    def variance(text: str, first: int) -> float:
        x = ["abcde".index(letter) for letter in text]
        entropies = []
        for t in range(first, first + STEPS):
            a, b = ([source.letters] * 2 + x[:t])[-2:]
            p = source.next_letter((a, b), len(x) - t)
            entropies.append(-(p[p > 0] * np.log(p[p > 0])).sum())
        return float(np.var(entropies))

    tests = ["".join("abcde"[symbol] for symbol in x) for x in store.read_split(trained[1], "test")[0]]
    every = [variance(text, first) for text in tests for first in range(len(text) - STEPS + 1)]
    assert facts["text"] in tests and variance(facts["text"], facts["first"]) == pytest.approx(max(every))


@torch.no_grad()
def test_the_picture_is_of_the_model(trained: tuple[Path, Path], out: Path) -> None:
    """The density at z_t is the flow's own, and the region of z_t is the letter that the decoder reads off z."""
    model, spec, _ = checkpoint.load(trained[0] / "model.pt")
    assert isinstance(model, LatentModel)
    facts = read_json(out / "modes.json")
    with np.load(out / "modes.npz") as arrays:
        z_1TH = torch.from_numpy(arrays["z"])[None]
        mask_1T = torch.ones(z_1TH.shape[:2], dtype=torch.bool)
        low, high = np.array(facts["low"]), np.array(facts["high"])
        read = model.emission.logits(model.decoder(z_1TH, mask_1T)).argmax(-1)[0]
        for n in range(STEPS):
            t = facts["first"] + n
            place = (arrays["z"][t] - low) / (high - low)
            x, y = (place * DECODE).astype(int)
            assert arrays["regions"][n, y, x] == read[t] or _at_a_border(arrays["regions"][n], y, x)
            moved = z_1TH.clone()
            cell = (np.floor(place * GRID) + 0.5) / GRID
            moved[0, t] = torch.from_numpy(low + cell * (high - low))
            one_step = model.prior.noise_steps(moved, mask_1T)
            e, log_det = one_step[0][0, t], one_step[1][0, t]
            density = float((-0.5 * (np.log(2 * np.pi) + e * e).sum() + log_det).exp())
            i, j = (place * GRID).astype(int)
            assert arrays["density"][n, j, i] == pytest.approx(density, rel=1e-3)
    assert loading.load(trained[1], spec).meta["vocabulary"] == facts["vocabulary"]


def _at_a_border(regions: np.ndarray, y: int, x: int) -> bool:
    return len(np.unique(regions[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2])) > 1


def test_a_given_string_is_spelled(trained: tuple[Path, Path], tmp_path: Path) -> None:
    text = read_json_text(trained)
    run_modes(*map(str, trained), text[1:4], 0, tmp_path)
    facts = read_json(tmp_path / "modes.json")
    assert facts["text"][facts["first"] : facts["first"] + facts["steps"]] == text[1:4]
    with pytest.raises(UserError, match="modes: 'zzz': no test sequence has it"):
        run_modes(*map(str, trained), "zzz", 0, tmp_path)


def read_json_text(trained: tuple[Path, Path]) -> str:
    x = max(store.read_split(trained[1], "test")[0], key=len)
    return "".join("abcde"[symbol] for symbol in x)


@pytest.mark.parametrize(("prior", "latent"), [("af_af", 3), ("iaf_scf", 2), ("lstm", 2)])
def test_other_models_are_refused(trained: tuple[Path, Path], tmp_path: Path, prior: str, latent: int) -> None:
    spec = spec_of(prior, latent)
    train_run(spec, trained[1], tmp_path / "run", context(spec))
    with pytest.raises(UserError, match=r"needs a prior that is AF in time, with model\.latent 2"):
        run_modes(str(tmp_path / "run"), str(trained[1]), None, 0, tmp_path / "out")
    shutil.rmtree(tmp_path / "run")
