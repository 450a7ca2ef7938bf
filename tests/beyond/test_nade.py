"""Notes of a step that depend on each other: NADE is a distribution, is what its formula says, and is a kind of data
for every row.
"""

from itertools import product
from pathlib import Path

import pytest
import torch

from beyond.nade import Nade
from lnf.kinds.emission import Bernoulli
from lnf.laws.check import check
from lnf.plan import config
from lnf.plan.config import ROOT
from lnf.report.samples.media import Script
from lnf.spec import Spec
from tests.specs import tiny_spec

KIND = "beyond.chords.Chords"
KEYS, FEATURES, EMBEDDING = 4, 3, 5


@pytest.fixture
def nade() -> Nade:
    torch.manual_seed(0)
    made = Nade(KEYS, EMBEDDING, FEATURES).double()
    for weight in made.parameters():
        torch.nn.init.normal_(weight)
    return made


def test_all_chords_have_a_probability_of_one(nade: Nade) -> None:
    chords = torch.tensor(list(product((0.0, 1.0), repeat=KEYS)), dtype=torch.float64)
    features = torch.randn(7, 1, FEATURES, dtype=torch.float64)
    torch.testing.assert_close((-nade.nll(features, chords)).exp().sum(-1), torch.ones(7, dtype=torch.float64))


def test_it_is_its_formula(nade: Nade) -> None:
    features, x = torch.randn(FEATURES, dtype=torch.float64), torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    alone, condition = nade.logits(features), nade.condition(features)
    expected = torch.zeros((), dtype=torch.float64)
    for v in range(KEYS):
        below = sum((x[u] * nade.below[u] for u in range(v)), torch.zeros_like(condition))
        p = torch.sigmoid(alone[v] + nade.out[v] @ torch.sigmoid(condition + below))
        expected = expected - torch.log(p if x[v] else 1 - p)
    torch.testing.assert_close(nade.nll(features, x), expected)


def test_without_output_weights_keys_are_independent(nade: Nade) -> None:
    torch.nn.init.zeros_(nade.out)
    alone = Bernoulli(KEYS, EMBEDDING, FEATURES).double()
    alone.load_state_dict({name: weight for name, weight in nade.state_dict().items() if name in alone.state_dict()})
    features, x = torch.randn(6, FEATURES, dtype=torch.float64), torch.ones(6, KEYS, dtype=torch.float64)
    torch.testing.assert_close(nade.nll(features, x), alone.nll(features, x))


def test_the_likeliest_keys_are_chosen_one_by_one(nade: Nade) -> None:
    features = torch.randn(50, FEATURES, dtype=torch.float64)
    drawn = nade.sample(features, greedy=True)
    for v in range(KEYS):
        beginning = Nade(v + 1, EMBEDDING, FEATURES).double()  # of the keys up to v, which do not depend on later ones
        beginning.load_state_dict(
            {name: weight[: v + 1] if len(weight) == KEYS else weight for name, weight in nade.state_dict().items()}
        )
        other = drawn[:, : v + 1].clone()
        other[:, v] = 1 - other[:, v]
        assert (beginning.nll(features, drawn[:, : v + 1]) <= beginning.nll(features, other)).all()


@pytest.mark.e2e
@pytest.mark.parametrize("prior", ["lstm", "af_scf", "af_only"])
def test_the_laws_hold(prior: str, tmp_path: Path) -> None:
    check(tiny_spec(prior), tmp_path / "check.json", [KIND])


def test_both_emissions_are_trained_with_the_same_settings() -> None:
    values = config.load(config.read([ROOT / "workflow" / "configs" / "beyond_nade.yaml"]))

    def of(corpus: str, prior: str) -> Spec:
        return config.resolve(values, corpus, prior, 0)

    for prior in values["select"]["priors"]:
        alone, jointly = of("jsb_chorales", prior), of("jsb_chords", prior)
        assert jointly.replace(corpus=alone.corpus, kind=alone.kind) == alone and jointly.kind == KIND
    prepare = [values["corpora"][corpus]["prepare"] for corpus in ("jsb_chorales", "jsb_chords")]
    assert prepare[0] == prepare[1]


def test_what_is_derived_from_music_is_music() -> None:
    overlay = [ROOT / "workflow" / "configs" / "beyond_nade.yaml"]
    moved = config.merge(config.read(overlay), {"overrides": {"all": {"train": {"transpose": 3}}}})
    specs = [config.resolve(config.load(moved), corpus, "af_af", 0) for corpus in ("jsb_chorales", "jsb_chords")]
    assert [spec.train.transpose for spec in specs] == [3, 3]
    assert Script(KIND, None, "", 0.5).is_music
