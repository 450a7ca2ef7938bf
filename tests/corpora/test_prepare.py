"""Corpus folders: what is written, read back and refused; the counts of the real data where a mirror is at hand."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from lnf.corpora import store
from lnf.corpora.lengths import length_prior
from lnf.corpora.prepare import prepare
from lnf.corpora.sources.base import RawCorpus
from lnf.errors import UserError
from lnf.plan.raw_files import mirror_folder
from lnf.spec import Lengths
from lnf.system.files import Damaged, sha256_of

ROOT = Path(__file__).parents[2]
ADD_ONE = {"smoothing": "add_one", "headroom": 1.25}
TEXTS = {"train.txt": "abc\nab\nabcdefgh\n", "valid.txt": "abcd\n", "test.txt": "abc\na\n\n"}


def text_settings(mirror: Path, **changes: Any) -> dict[str, Any]:
    """Settings of a small text corpus whose files lie in `mirror`."""
    files = {}
    for name, text in TEXTS.items():
        (mirror / "small").mkdir(parents=True, exist_ok=True)
        (mirror / "small" / name).write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        files[name] = {"sha256": digest, "bytes": len(text), "mirror": f"small/{name}", "addresses": []}
    source = {"kind": "text", "source": "lnf.corpora.sources.ptb.read", "lengths": ADD_ONE, "files": files}
    return source | changes


def read_x(folder: Path, split: str) -> list[Any]:
    return [x.tolist() for x in store.read_split(folder, split)[0]]


def test_prepare_writes_a_whole_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = text_settings(tmp_path / "mirror", max_length=4)
    prepare("small", settings, "d1", tmp_path / "mirror", tmp_path / "data/small")
    assert sorted(p.name for p in (tmp_path / "data").rglob("*")) == [
        "meta.json",
        "small",
        "test.arrow",
        "train.arrow",
        "valid.arrow",
    ]
    assert read_x(tmp_path / "data/small", "train") == [[0, 1, 2], [0, 1]]
    assert read_x(tmp_path / "data/small", "test") == [[0, 1, 2], [0]]
    meta = store.read_meta(tmp_path / "data/small")
    assert meta["counts"]["train"] == {"sequences": 2, "steps": 5, "dropped": 1, "dropped_steps": 8}
    assert meta["counts"]["test"] == {"sequences": 2, "steps": 4, "dropped": 1, "dropped_steps": 0}
    assert meta["length_counts"] == {"2": 1, "3": 1, "4": 1} and meta["longest"] == 4
    assert (meta["corpus"], meta["kind"], meta["width"]) == ("small", "text", 8)
    assert meta["vocabulary"] == list("abcdefgh") and meta["settings"] == settings
    assert meta["raw"] == {name: entry["sha256"] for name, entry in settings["files"].items()}
    assert meta["digest"] == "d1"
    assert (
        capsys.readouterr()
        .out.splitlines()[1]
        .startswith("lnf: small: train: 2 to 3 steps, median 2.5; most frequent: ")
    )


def test_the_same_corpus_gives_the_same_bytes(tmp_path: Path) -> None:
    settings = text_settings(tmp_path / "mirror")
    for name in ("one", "two", "two"):
        prepare("small", settings, "d1", tmp_path / "mirror", tmp_path / name)
    for name in ("train.arrow", "valid.arrow", "test.arrow", "meta.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"expect": {"sequences": {"train": 4}}}, "small: train: 3 sequences; expect.sequences.train is 4"),
        ({"expect": {"steps": {"test": 5}}}, "small: test: 4 steps; expect.steps.test is 5"),
        ({"expect": {"width": 9}}, "small: 8 symbols; expect.width is 9"),
        ({"min_length": 4}, "small: test: no sequence"),
        (
            {"lengths": {"smoothing": "none", "headroom": 1.0}},
            "test: sequence 1 has 1 steps, which no sequence of train",
        ),
        ({"source": "lnf.corpora.absent.read"}, "lnf.corpora.absent.read"),
    ],
)
def test_what_prepare_refuses_changes_no_file(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    out = tmp_path / "data/small"
    prepare("small", text_settings(tmp_path / "mirror"), "d1", tmp_path / "mirror", out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(UserError) as caught:
        prepare("small", text_settings(tmp_path / "mirror", **changes), "d1", tmp_path / "mirror", out)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["small"]


def test_the_length_prior_is_a_distribution_that_gives_every_sequence_some_probability() -> None:
    lengths = {"train": [2, 4, 4], "valid": [8], "test": [9]}
    splits = {split: [np.zeros(length, np.uint8) for length in found] for split, found in lengths.items()}
    p_T = length_prior(splits, Lengths(headroom=1.25))
    assert len(p_T) == 11 and p_T.sum() == pytest.approx(1) and (p_T > 0).all() and p_T[4] == 3 * p_T[0]
    with pytest.raises(UserError, match=r"test: sequence 0 has 9 steps, more than M = 8"):
        length_prior(splits, Lengths(headroom=1.0))


@pytest.mark.parametrize("body", ["abc\nabd\nabcdefgh\n", "<!doctype html>", "abc"])
def test_a_damaged_raw_file_keeps_nothing(tmp_path: Path, body: str) -> None:
    settings = text_settings(tmp_path / "mirror")
    (tmp_path / "mirror/small/train.txt").write_text(body)
    with pytest.raises(UserError, match=r"data: small: train\.txt: .*sha256") as caught:
        prepare("small", settings, "d1", tmp_path / "mirror", tmp_path / "data/small")
    assert "\n" not in str(caught.value) and not (tmp_path / "data").exists()


def test_missing_raw_files_without_an_address(tmp_path: Path) -> None:
    settings = text_settings(tmp_path / "mirror")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no address is known.*LNF_DATA_MIRROR"):
        prepare("small", settings, "d1", tmp_path / "empty", tmp_path / "data/small")


def test_markov_columns_survive(tmp_path: Path) -> None:
    settings = {
        "kind": "text",
        "source": "lnf.corpora.sources.markov.read",
        "lengths": ADD_ONE,
        "max_length": 48,
        "options": {"letters": 12, "end": 0.06, "train": 200, "valid": 20, "test": 20},
    }
    prepare("markov", settings, "d1", None, tmp_path / "markov")
    sequences, columns = store.read_split(tmp_path / "markov", "test")
    steps = sum(map(len, sequences))
    source = store.read_meta(tmp_path / "markov")["source"]["test"]
    assert columns.keys() == {"log_prob", "log_prob_length"} and len(columns["log_prob"]) == 20
    assert source["nll"] == pytest.approx(-columns["log_prob"].sum() / (steps + 20))
    assert source["nll_given_length"] == pytest.approx((columns["log_prob_length"] - columns["log_prob"]).sum() / steps)


def test_store_keeps_rolls_silence_and_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rolls = [(rng.random((n, 88)) < 0.05).astype(np.uint8) for n in (3, 1, 7)]
    rolls[0][1] = rolls[1][0] = 0
    corpus = RawCorpus(
        {"train": rolls, "valid": [], "test": rolls[:1]}, None, {"train": {"p": np.array([0.1, 0.2, 1.0])}}
    )
    store.write(tmp_path / "c", corpus, {"kind": "music"})
    sequences, columns = store.read_split(tmp_path / "c", "train")
    assert all(np.array_equal(a, b) and a.dtype == np.uint8 for a, b in zip(sequences, rolls, strict=True))
    assert columns["p"].tolist() == [0.1, 0.2, 1.0]
    assert store.read_split(tmp_path / "c", "valid") == ([], {})
    with pa.OSFile(str(tmp_path / "c/train.arrow")) as stream:
        table = pa.ipc.open_file(stream).read_all()
    assert table.schema.field("x").type == pa.list_(pa.list_(pa.uint8()))
    assert table["x"].to_pylist() == [[np.flatnonzero(step).tolist() for step in roll] for roll in rolls]


def test_store_names_what_is_missing_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.arrow does not exist"):
        store.read_split(tmp_path, "train")
    with pytest.raises(UserError, match=r"meta\.json does not exist"):
        store.read_meta(tmp_path)
    store.write(tmp_path, RawCorpus({"train": [np.zeros(2, dtype=np.uint8)]}, ["a"]), {"kind": "text"})
    (tmp_path / "train.arrow").write_bytes(b"damaged")
    with pytest.raises(Damaged, match=r"train\.arrow: damaged \(its checksum is another\)"):
        store.read_split(tmp_path, "train")


def test_a_corpus_that_could_not_be_written_has_no_meta(tmp_path: Path) -> None:
    text = RawCorpus({"train": [np.zeros(2, dtype=np.uint8)]}, ["a"])
    with pytest.raises(TypeError):
        store.write(tmp_path / "c", text, {"kind": "text", "n": object()})
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["train.arrow"]
    store.write(tmp_path / "c", text, {"kind": "text", "n": 1})
    meta = store.read_meta(tmp_path / "c")
    assert meta["n"] == 1 and meta["sha256"] == {"train": sha256_of(tmp_path / "c" / "train.arrow")}


@pytest.mark.realdata
@pytest.mark.parametrize("corpus", ["ptb", "nottingham", "piano_midi", "muse_data", "jsb_chorales"])
def test_real_data_has_the_counts_of_config_yaml(tmp_path: Path, corpus: str) -> None:
    if not os.environ.get("LNF_DATA_MIRROR"):
        pytest.skip("LNF_DATA_MIRROR names no folder with the real data")
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    entry = config["corpora"][corpus]
    lengths = config["defaults"]["lengths"] | entry.get("lengths", {})
    settings = {"kind": entry["kind"], "lengths": lengths, **entry["prepare"]}
    assert {"sequences", "steps"} <= settings["expect"].keys()
    prepare(corpus, settings, "d1", mirror_folder(None), tmp_path / corpus)
    counts = store.read_meta(tmp_path / corpus)["counts"]
    for split in ("train", "valid", "test"):
        sequences, _ = store.read_split(tmp_path / corpus, split)
        assert len(sequences) == counts[split]["sequences"] == settings["expect"]["sequences"][split]
        assert sum(map(len, sequences)) == settings["expect"]["steps"][split]


@pytest.mark.realdata
def test_real_ptb_is_the_text_of_its_file(tmp_path: Path) -> None:
    if not os.environ.get("LNF_DATA_MIRROR"):
        pytest.skip("LNF_DATA_MIRROR names no folder with the real data")
    config = yaml.safe_load((ROOT / "config.yaml").read_text())["corpora"]["ptb"]
    settings = {"kind": "text", "lengths": config["lengths"], **config["prepare"]}
    prepare("ptb", settings, "d1", mirror_folder(None), tmp_path / "ptb")
    meta = store.read_meta(tmp_path / "ptb")
    lines = (Path(os.environ["LNF_DATA_MIRROR"]) / "ptb/test.txt").read_text().split("\n")
    wanted = [line.strip() for line in lines if 1 <= len(line.strip()) <= 288]
    sequences, _ = store.read_split(tmp_path / "ptb", "test")
    assert ["".join(meta["vocabulary"][n] for n in x) for x in sequences] == wanted
    assert meta["counts"]["train"]["dropped"] == 328 and meta["longest"] == 288
