"""Symbols of any number: ids survive the way from a reader to a batch and back, or are refused in one line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lnf.corpora import loading, store
from lnf.corpora.batches import collate
from lnf.corpora.prepare import prepare
from lnf.corpora.sources.base import SPLITS, RawCorpus
from lnf.errors import UserError
from lnf.kinds.base import id_type
from lnf.kinds.piano import KEYS
from lnf.models.base import build_model
from lnf.runs import sampling
from tests.specs import tiny_spec

ADD_ONE = {"smoothing": "add_one", "headroom": 1.25}
CPU = torch.device("cpu")


def read(settings: Mapping[str, Any], files: Mapping[str, Path]) -> RawCorpus:
    """A reader of words: the last id of the vocabulary occurs in each split."""
    ids = [np.array(x) for x in ([settings["words"] - 1, 0, 1], [2, settings["words"] - 1])]
    return RawCorpus(dict.fromkeys(SPLITS, ids), [f"w{n}" for n in range(settings["words"])])


def read_values(settings: Mapping[str, Any], files: Mapping[str, Path]) -> RawCorpus:
    """A reader of what the settings say, as test; the other splits are right."""
    right = np.zeros((3, KEYS), dtype=np.uint8) if settings["kind"] == "music" else np.array([0, 1])
    test = np.array(settings["values"], dtype=settings.get("type"))
    test = np.broadcast_to(test[:, None], (len(test), KEYS)) if settings["kind"] == "music" else test
    return RawCorpus({"train": [right], "valid": [right], "test": [right, test]},
                     None if settings["kind"] == "music" else list("abc"))  # fmt: skip


def settings_of(reader: str, kind: str = "text", **changes: Any) -> dict[str, Any]:
    return {"kind": kind, "source": f"tests.corpora.test_symbols.{reader}", "lengths": ADD_ONE, **changes}


@pytest.mark.parametrize("words", [12, 256, 257, 604, 65536, 65537])
def test_ids_of_any_vocabulary_reach_the_batch_and_come_back(tmp_path: Path, words: int) -> None:
    folder = tmp_path / "data" / "words" / "d"
    prepare("words", settings_of("read", words=words), "d", None, folder)
    corpus = loading.load(folder, tiny_spec("lstm").replace(corpus="words"))
    batch = corpus.splits["train"].batch([0, 1], "text")
    assert batch.x.dtype == torch.long and batch.x.tolist() == [[words - 1, 0, 1], [2, words - 1, 0]]
    assert corpus.splits["test"].sequences[0].dtype == id_type(words)
    model = build_model(tiny_spec("lstm"), corpus.shape)
    with torch.no_grad():  # the last word is almost sure
        model.get_parameter("emission.bias")[words - 1] = 100.0
    drawn = sampling.draw(model, torch.tensor([2, 3]), 0, CPU)
    assert [x.tolist() for x in drawn] == [[words - 1] * 2, [words - 1] * 3]
    assert [x.tolist() for x in store.from_lists(store.to_lists(drawn, "text", words))] == [x.tolist() for x in drawn]


@pytest.mark.parametrize("words", [4, 700])
def test_ids_in_the_smallest_type_give_the_same_checksum(words: int) -> None:
    ids = [np.array([words - 1, 0]), np.array([1])]
    kept = store.from_lists(store.to_lists(ids, "text", words))
    assert store.contents_of(kept) == store.contents_of(ids)


WRONG = {
    "an id beyond the vocabulary": ("text", [0, 3], None, "holds 3; whole numbers from 0 to 2 would be right"),
    "a negative id": ("text", [0, -1], None, "holds -1; whole numbers from 0 to 2 would be right"),
    "ids that are no whole numbers": ("text", [0.0, 1.0], None, "is float64 of shape [2]; whole numbers of shape [2]"),
    "a roll with a 2": ("music", [0, 2], "uint8", "holds 2; whole numbers from 0 to 1 would be right"),
    "a roll with a -1": ("music", [0, -1], "int8", "holds -1; whole numbers from 0 to 1 would be right"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_symbol_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    kind, values, number, words = WRONG[case]
    folder = tmp_path / "data" / "mine" / "d"
    with pytest.raises(UserError) as caught:
        prepare("mine", settings_of("read_values", kind, values=values, type=number), "d", None, folder)
    assert str(caught.value).startswith(f"data: mine: test: sequence 1 {words}") and not folder.exists()


def test_a_batch_holds_no_other_symbols() -> None:
    """What is no symbol may come from elsewhere than from a prepared corpus."""
    right = [np.array([0, 2]), np.array([1])]
    assert collate(right, "text", 3).x.tolist() == [[0, 2], [1, 0]]
    for wrong in ([np.array([0, 3])], [np.array([-1])], [*right, np.array([300])]):
        with pytest.raises(UserError, match=r"data: a batch of text holds -?\d+; whole numbers from 0 to 2"):
            collate(wrong, "text", 3)
    with pytest.raises(UserError, match=r"data: a batch of music holds 2; whole numbers from 0 to 1"):
        collate([np.full((2, KEYS), 2, dtype=np.uint8)], "music", KEYS)
