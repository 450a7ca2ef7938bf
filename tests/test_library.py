"""`import lnf`: its names, its documentation, and models from files that score what the pipeline scores."""

import ast
import doctest
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import torch

import lnf
import lnf.flows.hidden
import lnf.flows.time
import lnf.library
from lnf.corpora import store
from lnf.models.base import SequenceModel
from lnf.plan.config import ROOT
from lnf.plan.rule_files import read_all
from lnf.runs.evaluation import evaluate_run
from lnf.runs.training import train_run
from tests.specs import tiny_spec
from tests.tiny_corpus import context, prepared

SIZES = {"latent": 3, "hidden": 8, "embedding": 5, "flow_layers": 2, "flow_hidden": 9}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus of texts, and with the runs lstm and af_af, trained and evaluated."""
    folder = tmp_path_factory.mktemp("library")
    corpus = prepared(folder)
    for prior in ("lstm", "af_af"):
        spec = tiny_spec(prior)
        train_run(spec, corpus, folder / prior, context(spec))
        evaluate_run(spec, corpus, folder / prior, context(spec).digests, "e1")
    return folder


def test_each_name_is_the_class_that_a_type_checker_sees() -> None:
    tree = ast.parse(Path(lnf.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {name.asname: node.module for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert seen == {name: f"lnf.{home}" for name, home in lnf._HOMES.items()} and set(seen) == set(lnf.__all__)
    assert all(callable(getattr(lnf, name)) and name in dir(lnf) for name in lnf.__all__)
    with pytest.raises(AttributeError, match="module 'lnf' has no attribute 'nothing'"):
        lnf.nothing  # noqa: B018


@pytest.mark.processes
def test_it_imports_none_of_the_pipeline() -> None:
    code = (
        "import sys, lnf; print('torch' in sys.modules); from lnf import *;"
        "print([name for name in ('ray', 'snakemake', 'mlflow', 'pandas', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False", "[]"]


@pytest.mark.parametrize("module", [lnf.library, lnf.flows.time, lnf.flows.hidden], ids=lambda m: m.__name__)
def test_examples_of_docstrings(module: object) -> None:
    failed, tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried > 0 and failed == 0


def test_the_page_runs(project: Path) -> None:
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("docs/library.md", "README.md")]
    blocks, readme = (re.findall(r"```python\n(.*?)```", page, re.DOTALL) for page in pages)
    (example,) = (block for block in readme if "import lnf" in block)
    run = '"demo/markov/af_af/0"'
    assert len(blocks) == 3 and run in blocks[0]
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block.replace(run, repr(str(project / "af_af"))), "docs/library.md", "exec"), names)
    assert isinstance(names["model"], lnf.LatentModel)
    exec(compile(example.replace(run, repr(str(project / "af_af"))), "README.md", "exec"), names)


@pytest.mark.parametrize("prior", ["lstm", "af_af"])
def test_the_script_runs(
    project: Path, prior: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["library.py", str(project / prior)])
    runpy.run_path(str(ROOT / "docs" / "library.py"))
    said = capsys.readouterr().out
    assert "bounds on log p(x)" in said and ("latents" in said) == (prior == "af_af")


def test_strings_are_scored_as_the_evaluation_scores_the_corpus(project: Path) -> None:
    model = lnf.load(project / "lstm")
    assert isinstance(model, lnf.LSTMModel) and model.vocabulary is not None
    test, _ = store.read_split(project / "data" / "tiny" / "c0ffee", "test")
    texts = ["".join(model.vocabulary[symbol] for symbol in x) for x in test]
    rows = pyarrow.parquet.read_table(project / "lstm" / "sequences-e1.parquet").to_pylist()
    expected = [row["log_prob"] for row in rows if row["split"] == "test"]
    batch = model.batch(texts)
    assert model.texts(batch) == texts
    np.testing.assert_allclose(model.log_prob(batch).tolist(), expected, rtol=1e-5)
    np.testing.assert_array_equal(model.batch(test).x, batch.x)


def test_bounds_are_of_one_quantity_in_either_dtype(project: Path) -> None:
    model = lnf.load(project / "af_af" / "model.pt").double()
    batch = model.batch(["abcde", "a"])
    elbo, bound = (call(batch, 200, torch.Generator().manual_seed(0)) for call in (model.elbo, model.bound))
    assert bound.dtype == torch.float64 and (bound >= elbo).all() and not hasattr(model, "log_prob")
    single = model.float().bound(batch, 200, torch.Generator().manual_seed(0))
    assert single.dtype == torch.float32 and (single - bound).abs().max() < 5
    latents = model.encode(batch)
    assert latents.mean.shape == (2, 5, 3) and (latents.stddev > 0).all()


def test_every_row_is_built_from_its_parts() -> None:
    for variant in read_all(ROOT / "rules" / "priors").variants.values():
        prior = variant.prior
        flows = f"{prior.time} / {prior.hidden} / {prior.transform}"
        row = {"lstm": "LSTM", "latent": flows}.get(prior.model, prior.model)
        for kind, width in (("text", 5), ("music", 88)):
            model: SequenceModel = lnf.build(row, lnf.CorpusShape(kind, width, 12), **SIZES).double()
            drawn = model.sample([12, 3])
            assert model.elbo(drawn).shape == (2,) and drawn.x.shape[:2] == (2, 12)


MISTAKES = {
    "build: time 'AFF': known are af, iaf, none": lambda: lnf.build("AFF / AF", lnf.CorpusShape("text", 5, 9)),
    "build: hidden 'x': known are": lambda: lnf.build("AF / x", lnf.CorpusShape("text", 5, 9)),
    "give MODEL, TIME / HIDDEN or": lambda: lnf.build("a / b / c / d", lnf.CorpusShape("text", 5, 9)),
    "kind: 'txt': known are text, music, symbols, and dotted paths": lambda: lnf.build(
        "LSTM", lnf.CorpusShape("txt", 5, 9)
    ),
    "build.model.laten: unknown key; did": lambda: lnf.build("AF / AF", lnf.CorpusShape("text", 5, 9), laten=3),
    "model.latent: 1: must be at least 2": lambda: lnf.build("AF / SCF", lnf.CorpusShape("text", 5, 9), latent=1),
    "build.model.precision: ": lambda: lnf.build("LSTM", lnf.CorpusShape("text", 5, 9), precision="bfloat16"),
    "no model.pt; give the folder of a trained run": lambda: lnf.load("nowhere"),
    "vocabulary: the model has none": lambda: lnf.build("LSTM", lnf.CorpusShape("text", 5, 9), **SIZES).batch(["a"]),
}


@pytest.mark.parametrize("said", MISTAKES)
def test_a_mistake_is_one_line(said: str) -> None:
    with pytest.raises(lnf.UserError, match=re.escape(said)):
        MISTAKES[said]()


@pytest.mark.parametrize(
    ("sequence", "said"),
    [("abz", "'z' is none of the model's 5"), ("", "length 0: "), ("a" * 99, "length 99: the model knows")],
)
def test_a_sequence_that_the_model_does_not_know_is_refused(project: Path, sequence: str, said: str) -> None:
    with pytest.raises(lnf.UserError, match=said):
        lnf.load(project / "af_af").batch(["ab", sequence])
