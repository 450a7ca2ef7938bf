"""Texts of a user's own: splits that a rule chooses, and what is refused."""

from pathlib import Path

import pytest

from lnf.corpora.sources import texts
from lnf.corpora.sources.base import SPLITS, RawCorpus
from lnf.errors import UserError
from lnf.plan.options import known_options

LINES = [f"line {n:03}" for n in range(400)]


def read(folder: Path, files: dict[str, str], **options: object) -> RawCorpus:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return texts.read({}, {name: folder / name for name in files}, **options)  # type: ignore[arg-type]


def spelled(corpus: RawCorpus) -> dict[str, list[str]]:
    assert corpus.vocabulary is not None
    return {split: ["".join(corpus.vocabulary[n] for n in x) for x in corpus.splits[split]] for split in SPLITS}


def test_every_line_is_in_one_split_and_stays_there(tmp_path: Path) -> None:
    files = {"a.txt": "\n".join(LINES[:250]), "b.txt": "\n\n".join([*LINES[250:], LINES[0], LINES[0]])}
    first = spelled(read(tmp_path, files, unknown="drop"))
    assert sorted(line for lines in first.values() for line in lines) == sorted([*LINES, LINES[0], LINES[0]])
    assert not set(first["train"]) & {*first["valid"], *first["test"]} and not set(first["valid"]) & set(first["test"])
    assert 20 < len(first["valid"]) < 60 and 20 < len(first["test"]) < 60
    more = spelled(read(tmp_path, files | {"c.txt": "another line 000"}, unknown="drop"))
    assert all(set(first[split]) <= set(more[split]) for split in SPLITS)


def test_files_named_as_splits_are_the_splits(tmp_path: Path) -> None:
    found = spelled(read(tmp_path, {"train.txt": "abc\nb", "valid.txt": "a", "test.txt": "cab\n\n"}))
    assert found == {"train": ["abc", "b"], "valid": ["a"], "test": ["cab"]}


def test_files_of_one_name_in_two_folders_are_all_read(tmp_path: Path) -> None:
    files = {"one/train.txt": "ab", "two/train.txt": "ba", "two/valid.txt": "a", "two/test.txt": "b"}
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
    assert spelled(read(tmp_path, files))["train"] == ["ab", "ba"]


def test_a_character_that_train_does_not_have_is_refused_or_its_line_dropped(tmp_path: Path) -> None:
    files = {"train.txt": "abc", "valid.txt": "abd\nab", "test.txt": "c"}
    with pytest.raises(
        UserError, match=r"valid has symbols that train does not have, or too seldom: 'd'; options.unknown: drop"
    ):
        read(tmp_path, files)
    assert spelled(read(tmp_path, files, unknown="drop"))["valid"] == ["ab"]


def test_words_are_symbols_and_seldom_ones_unknown(tmp_path: Path) -> None:
    files = {"train.txt": "the cat sat\nthe  dog sat", "valid.txt": "the bird", "test.txt": "sat the"}
    corpus = read(tmp_path, files, symbols="words", least=2, unknown="replace")
    assert corpus.vocabulary == ["<unk>", "sat", "the"] and (corpus.symbol, corpus.separator) == ("word", " ")
    assert {split: [x.tolist() for x in found] for split, found in corpus.splits.items()} == {
        "train": [[2, 0, 1], [2, 0, 1]], "valid": [[2, 0]], "test": [[1, 2]],
    }  # fmt: skip
    with pytest.raises(UserError, match="train has symbols that train does not have, or too seldom: 'cat', 'dog'"):
        read(tmp_path, files, symbols="words", least=2)


@pytest.mark.parametrize("shares", [{"valid": 0.0}, {"test": 1.0}, {"valid": 0.6, "test": 0.5}])
def test_shares_that_leave_nothing_are_refused(tmp_path: Path, shares: dict[str, float]) -> None:
    with pytest.raises(UserError, match="must be above 0, and less than 1 together"):
        read(tmp_path, {"a.txt": "abc"}, **shares)


def test_its_options_are_known() -> None:
    assert known_options("lnf.corpora.sources.texts.read") == {"symbols", "valid", "test", "least", "unknown"}
