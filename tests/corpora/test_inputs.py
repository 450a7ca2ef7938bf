"""A corpus of a user's own files: what is in them names it, so that none goes stale."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnf.corpora import store
from lnf.corpora.sources.base import RawCorpus
from lnf.errors import UserError
from lnf.plan import config, raw_files
from lnf.plan.jobs import Job, perform
from lnf.plan.results import Plan


def read(settings: Mapping[str, Any], files: Mapping[str, Path]) -> RawCorpus:
    """A file is a split: lines of letters a to z."""
    lines = {Path(name).stem: path.read_text(encoding="utf-8").split() for name, path in files.items()}
    ids = {split: [np.array([ord(letter) - 97 for letter in line]) for line in texts] for split, texts in lines.items()}
    return RawCorpus(ids, [chr(97 + n) for n in range(26)])


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three files, below the working directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in ("train", "valid", "test"):
        (folder / f"{name}.txt").write_text("abc\nab\n", encoding="utf-8")
    (folder / ".hidden").write_text("not a text")
    return folder


def planned(inputs: str = "texts") -> Job:
    prepare_ = {"source": "tests.corpora.test_inputs.read", "inputs": inputs}
    mine = {"mine": {"kind": "text", "roles": ["main"], "prepare": prepare_}}
    select = {"corpora": ["mine"], "priors": ["lstm"], "seeds": [0]}
    return Plan(config.load(config.merge(config.read(), {"corpora": mine, "select": select}))).corpora["mine"]


def add_a_line(texts: Path) -> None:
    with (texts / "train.txt").open("a", encoding="utf-8") as stream:
        stream.write("abcd\n")


def add_a_file(texts: Path) -> None:
    (texts / "more").mkdir()
    (texts / "more" / "train.txt").write_text("z\n", encoding="utf-8")


def rename_a_file(texts: Path) -> None:
    (texts / "test.txt").rename(texts / "testing.txt")


@pytest.mark.parametrize("change", [add_a_line, add_a_file, rename_a_file])
def test_a_folder_that_changed_is_another_corpus(texts: Path, change: Any) -> None:
    before = planned()
    assert planned() == before
    os.utime(texts / "train.txt")
    assert planned().digest == before.digest
    change(texts)
    assert planned().digest != before.digest


def test_a_glob_names_files_and_where_they_are_does_not_count(texts: Path, tmp_path: Path) -> None:
    before = planned("texts/*.txt")
    assert before.digest == planned("texts").digest == planned(f"{texts}/*.txt").digest
    assert sorted(before.arguments["settings"]["inputs"]) == ["test.txt", "train.txt", "valid.txt"]
    texts.rename(tmp_path / "moved")
    assert planned("moved/*.txt").digest == before.digest


def test_the_reader_is_given_the_files_that_were_planned(texts: Path) -> None:
    corpus = planned()
    perform("prepare", corpus.spec, corpus.folder)
    assert [x.tolist() for x in store.read_split(corpus.folder, "train")[0]] == [[0, 1, 2], [0, 1]]
    assert set(store.read_meta(corpus.folder)["raw"]) == {"train.txt", "valid.txt", "test.txt"}
    add_a_line(texts)
    with pytest.raises(UserError, match=r"data: mine: texts/train\.txt changed since this was planned"):
        perform("prepare", corpus.spec, corpus.folder.with_name("other"))


@pytest.mark.parametrize("inputs", ["nothing", "texts/*.midi"])
def test_no_file_is_one_line(texts: Path, inputs: str) -> None:
    with pytest.raises(UserError, match=r"data: inputs: .*: no such file; name a folder, or a glob like texts/\*\.txt"):
        planned(inputs)


def test_a_file_is_read_once_until_it_changes(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, read_again = planned(), list[Path]()
    real = raw_files.sha256_of
    monkeypatch.setattr(raw_files, "sha256_of", lambda path: read_again.append(path) or real(path))
    assert planned() == before and read_again == []
    add_a_line(texts)
    assert planned() != before and read_again == [Path("texts", "train.txt")]


def test_a_folder_that_cannot_be_written_to_has_no_memory_of_sums(texts: Path) -> None:
    (texts.parent / ".lnf").touch()  # a file where the folder would be
    assert planned() == planned()
