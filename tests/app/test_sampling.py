"""`lnf sample`, on runs that were really trained."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from lnf.app.command_line import main
from lnf.corpora import store
from lnf.runs.evaluation import evaluate_run
from lnf.runs.training import train_run
from lnf.spec import EvaluateSpec, SampleSpec, Spec
from lnf.system.files import read_json
from lnf.system.sealed import read_document, write_document
from tests.specs import tiny_spec
from tests.tiny_corpus import context, prepared


def spec_of(prior: str) -> Spec:
    return tiny_spec(prior).replace(evaluate=EvaluateSpec(samples=5), sample=SampleSpec(samples=70, reconstructions=4))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the corpus, and with the runs lstm and af_scf, trained and evaluated."""
    folder = tmp_path_factory.mktemp("sampling")
    corpus = prepared(folder)
    for prior in ("lstm", "af_scf"):
        spec = spec_of(prior)
        train_run(spec, corpus, folder / prior, context(spec))
        evaluate_run(spec, corpus, folder / prior, context(spec).digests, "e1")
    return folder


def sample(trained: Path, prior: str, out: Path, *options: str, model: Path | None = None) -> int:
    data = trained / "data" / "tiny" / "c0ffee"
    return main(["sample", str(model or trained / prior), "--data", str(data), "--out", str(out), *options])


@pytest.mark.parametrize("prior", ["lstm", "af_scf"])
def test_samples_are_texts_of_the_corpus_with_their_likelihood(trained: Path, prior: str, tmp_path: Path) -> None:
    assert sample(trained, prior, tmp_path, "--n", "7", "--seed", "3") == 0
    lines = (tmp_path / "samples.txt").read_text(encoding="utf-8").splitlines()
    facts = read_json(tmp_path / "samples.json")
    assert len(lines) == 7 and set("".join(lines)) <= set("abcde")
    assert facts["lengths"] == [len(line) for line in lines]
    likelihood = facts["likelihood"]
    assert likelihood["estimator"] == ("exact" if prior == "lstm" else "importance")
    assert len(likelihood["values"]) == 7 and np.isfinite(likelihood["values"]).all()


@pytest.mark.parametrize("prior", ["lstm", "af_scf"])
def test_the_seed_and_the_manner_decide(trained: Path, prior: str, tmp_path: Path) -> None:
    manners = {"a": [], "again": [], "seed": ["--seed", "1"], "cold": ["--temperature", "0.01"], "greedy": ["--greedy"]}
    texts = {}
    for name, options in manners.items():
        assert sample(trained, prior, tmp_path / name, "--length", "6", *options) == 0
        texts[name] = (tmp_path / name / "samples.txt").read_text(encoding="utf-8").splitlines()
        assert all(len(line) == 6 for line in texts[name])
        told = read_json(tmp_path / name / "samples.json")["likelihood"] is not None
        assert told == (name in ("a", "again", "seed"))
    assert texts["a"] == texts["again"] != texts["seed"]
    assert len(set(texts["greedy"])) <= len(set(texts["a"]))
    if prior == "lstm":
        assert len(set(texts["cold"])) == len(set(texts["greedy"])) == 1


def test_test_sequences_are_reconstructed_and_interpolated(trained: Path, tmp_path: Path) -> None:
    assert sample(trained, "af_scf", tmp_path, "--reconstruct", "3", "0") == 0
    originals, back = ((tmp_path / f"{name}.txt").read_text(encoding="utf-8").splitlines()
                       for name in ("originals", "reconstructions"))  # fmt: skip
    assert [len(line) for line in originals] == [len(line) for line in back]
    assert read_json(tmp_path / "samples.json")["test"] == [3, 0]
    assert sample(trained, "af_scf", tmp_path, "--between", "3", "0", "--n", "5") == 0
    lines = (tmp_path / "between.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 5 and {len(line) for line in lines} == {min(map(len, originals))}


@pytest.mark.parametrize(
    ("prior", "options", "line"),
    [
        ("lstm", ["--reconstruct", "0"], "lnf: sample: --reconstruct: lstm has no latent"),
        ("af_scf", ["--reconstruct", "60"], "lnf: sample: test sequence 60: there are 60, from 0"),
        ("af_scf", ["--between", "0", "1", "--n", "1"], "lnf: sample: --n 1: 2 or more would be right with --between"),
    ],
)
def test_what_cannot_be_reconstructed_is_one_line(
    trained: Path, prior: str, options: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sample(trained, prior, tmp_path, *options) == 1
    assert capsys.readouterr().err == f"{line}\n"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--length", "99"], "lnf: sample: --length 99: the model knows lengths from 1 to 10\n"),
        (["--length", "0"], "lnf: sample: --length 0: the model knows lengths from 1 to 10\n"),
        (["--n", "0"], "lnf: sample: --n 0: 1 or more would be right\n"),
        (["--temperature", "0"], "lnf: sample: --temperature 0.0: a number above 0 would be right\n"),
        (["--temperature", "nan"], "lnf: sample: --temperature nan: a number above 0 would be right\n"),
    ],
    ids=str,
)
def test_what_cannot_be_drawn_is_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], line: str
) -> None:
    assert sample(trained, "lstm", tmp_path / "out", *options) == 1
    assert capsys.readouterr().err == line
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_model_or_symbols_is_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "no model.pt; give the folder of a trained run" in capsys.readouterr().err
    document = read_document(trained / "lstm" / "model.pt")
    del document["shape"]["vocabulary"]  # as earlier revisions wrote it
    write_document(tmp_path / "model.pt", document)
    assert main(["sample", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "name the corpus with --data" in capsys.readouterr().err
    assert sample(trained, "lstm", tmp_path / "out", model=tmp_path) == 0
    assert main(["sample", str(trained / "lstm"), "--out", str(tmp_path / "same")]) == 0
    first, second = (tmp_path / name / "samples.txt" for name in ("out", "same"))
    assert first.read_bytes() == second.read_bytes()


def test_a_run_is_found_by_its_name(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, digest in (("one", "d1"), ("one", "d2"), ("two", "d3")):
        shutil.copytree(trained / "lstm", tmp_path / "results" / name / "tiny" / "lstm" / "0" / digest)
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "one/tiny/lstm/0", "--out", "out"]) == 0
    assert read_json(Path("out", "samples.json"))["run"] in ("results/one/tiny/lstm/0/d1", "results/one/tiny/lstm/0/d2")
    assert main(["sample", "tiny/lstm/0", "--out", "out"]) == 1
    assert "of which configuration? one/tiny/lstm/0, two/tiny/lstm/0" in capsys.readouterr().err
    assert main(["sample", "tiny/lstm/7", "--out", "out"]) == 1
    assert "run: tiny/lstm/7: no model.pt; give the folder" in capsys.readouterr().err


@pytest.mark.parametrize("prior", ["lstm", "af_scf"])
def test_samples_begin_with_the_prompt(trained: Path, prior: str, tmp_path: Path) -> None:
    assert sample(trained, prior, tmp_path, "--prompt", "abcab", "--n", "70") == 0
    lines = (tmp_path / "samples.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 70 and all(line.startswith("abcab") for line in lines) and len(set(lines)) > 3
    facts = read_json(tmp_path / "samples.json")
    assert facts["prompt"] == "abcab" and facts["likelihood"] is None and min(facts["lengths"]) >= 5


@pytest.mark.parametrize(
    ("prompt", "said"),
    [("abz", "'z' is none of the model's"), ("a" * 99, "length 99: the model knows")],
)
def test_a_prompt_that_the_model_does_not_know_is_refused(
    trained: Path, prompt: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sample(trained, "lstm", tmp_path, "--prompt", prompt) == 1
    assert said in capsys.readouterr().err


def test_evaluation_leaves_samples_and_reconstructions(trained: Path) -> None:
    for prior, reconstructions in (("lstm", 0), ("af_scf", 4)):
        table = pyarrow.parquet.read_table(trained / prior / "samples-e1.parquet")
        what = table["what"].to_pylist()
        sequences = store.from_lists(table["x"].combine_chunks())
        assert what == ["sample"] * 70 + ["original"] * reconstructions + ["reconstruction"] * reconstructions
        assert len(sequences) == len(what) and all(1 <= len(x) <= 10 and x.max() < 5 for x in sequences)
        test, _ = store.read_split(trained / "data" / "tiny" / "c0ffee", "test")
        for original, given_back, right in zip(sequences[70:74], sequences[74:], test, strict=False):
            assert (original == right).all() and len(given_back) == len(right)
