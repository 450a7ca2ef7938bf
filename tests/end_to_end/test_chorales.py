"""All of Bach's chorales, read from their scores as prepare reads them."""

import numpy as np
import pytest

from lnf.corpora.sources import chorales
from lnf.corpora.sources.workers import map_with_progress

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def all_chorales() -> list[chorales.Chorale]:
    return map_with_progress(chorales.parse, chorales.scores(), "chorales")


def test_chorales_counts_and_split(all_chorales: list[chorales.Chorale]) -> None:
    assert len(all_chorales) == 350  # distinct scores behind 371 numbers
    split = chorales.assign(all_chorales)
    members = {name: [c for c in all_chorales if split[c.name] == name] for name in ("train", "valid", "test")}
    assert {name: len(cs) for name, cs in members.items()} == {"train": 246, "valid": 51, "test": 53}
    assert {name: sum(len(c.roll) for c in cs) for name, cs in members.items()} == {
        "train": 13478,
        "valid": 2669,
        "test": 2988,
    }
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        for key in ("work", "tune"):
            assert not {getattr(c, key) for c in members[one]} & {getattr(c, key) for c in members[other]}
        assert not {c.roll.tobytes() for c in members[one]} & {c.roll.tobytes() for c in members[other]}


def test_chorales_are_four_voices_in_c(all_chorales: list[chorales.Chorale]) -> None:
    sounding = np.concatenate([c.roll for c in all_chorales])
    assert 3.8 < sounding.sum() / len(sounding) < 4 and sounding.sum(axis=1).max() <= 5
    classes = np.bincount((np.arange(88) + 21) % 12, weights=sounding.sum(axis=0))
    assert {0, 7} == set(np.argsort(classes)[-2:])  # C and G, the tonic and the dominant
