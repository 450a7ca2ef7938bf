"""Evaluation: the numbers of docs/paper.md section 8, streaming changes nothing, a source sets a limit."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import torch
from torch import Tensor

from lnf.corpora import loading
from lnf.corpora.batches import SequenceBatch
from lnf.corpora.loading import sorted_batches
from lnf.corpora.prepare import prepare
from lnf.errors import UserError
from lnf.kinds.emission import Categorical
from lnf.models.base import build_model
from lnf.runs import evaluation
from lnf.runs.evaluation import (
    SequenceScores,
    evaluate_run,
    require_no_better_than_source,
    samples_at_once,
    score,
    summary,
)
from lnf.runs.progress import ProgressFile
from lnf.runs.training import train_run
from lnf.spec import EvaluateSpec, Spec
from lnf.system.files import digest, read_json, write_json
from lnf.system.sealed import read_document, write_document
from tests.specs import tiny_spec
from tests.tiny_corpus import SETTINGS, context, prepared

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("corpus"))


def _spec(prior: str = "af_scf", **evaluate: Any) -> Spec:
    return tiny_spec(prior).replace(evaluate=EvaluateSpec(**{"samples": 7, **evaluate}))


def _evaluated(spec: Spec, corpus: Path, run: Path) -> list[dict[str, Any]]:
    train_run(spec, corpus, run, context(spec))
    _evaluate(spec, corpus, run)
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(run / "evaluation-e1.parquet").to_pylist()
    return rows


def _evaluate(spec: Spec, corpus: Path, run: Path, /, **digests: str) -> None:
    evaluate_run(spec, corpus, run, context(spec, **digests).digests, "e1")


def test_numbers_of_one_split() -> None:
    """Two sequences of 1 and 3 steps, by hand."""
    scores = SequenceScores(
        length=np.array([1, 3]),
        log_prob_given_length=np.array([-1.0, -5.0]),
        reconstruction=np.array([0.5, 1.5]),
        kl=np.array([1.0, 4.0]),
        log_prob_length=np.array([-0.5, -1.5]),
    )
    values = {row["metric"]: row for row in summary(scores, "test", "bpc", False, 30)}
    bits = math.log(2)
    assert values["nll"]["value"] == pytest.approx((6 + 2) / 6 / bits)
    assert values["nll_given_length"]["value"] == pytest.approx(6 / 4 / bits)
    assert values["elbo"]["value"] == pytest.approx((2 + 5 + 2) / 6 / bits)
    assert values["reconstruction"]["value"] == pytest.approx(2 / 6 / bits)
    assert values["kl"]["value"] == pytest.approx(5 / 6 / bits)
    assert values["length"]["value"] == pytest.approx(2 / 6 / bits)
    assert (values["nll"]["estimator"], values["nll"]["k"], values["nll"]["n"]) == ("importance", 30, 2)
    assert {row["unit"] for row in values.values()} == {"bpc"}
    music = {row["metric"]: row["value"] for row in summary(scores, "test", "nats/step", False, 30)}
    assert music["nll"] == pytest.approx(8 / 6)


@pytest.mark.parametrize("prior", ["lstm", "af_scf"])
def test_rows_of_a_run(prior: str, corpus: Path, tmp_path: Path) -> None:
    rows = _evaluated(_spec(prior), corpus, tmp_path)
    metrics = {"nll", "nll_given_length", "length"} | (set() if prior == "lstm" else {"elbo", "reconstruction", "kl"})
    assert {(row["split"], row["metric"]) for row in rows} == {(s, m) for s in ("valid", "test") for m in metrics}
    nll = next(row for row in rows if (row["split"], row["metric"]) == ("test", "nll"))
    assert (nll["estimator"], nll["k"]) == (("exact", None) if prior == "lstm" else ("importance", 7))
    sequences = pyarrow.parquet.read_table(tmp_path / "sequences-e1.parquet").to_pylist()
    test = [row for row in sequences if row["split"] == "test"]
    assert [row["index"] for row in test] == list(range(60))
    total = -sum(row["log_prob"] for row in test) / sum(row["length"] + 1 for row in test) / math.log(2)
    assert nll["value"] == pytest.approx(total)
    assert all(row["source_log_prob"] < 0 for row in test)
    assert not (tmp_path / "state").exists()


def test_same_bytes_again(corpus: Path, tmp_path: Path) -> None:
    _evaluated(_spec(), corpus, tmp_path)
    first = (tmp_path / "evaluation-e1.parquet").read_bytes()
    _evaluate(_spec(), corpus, tmp_path)
    assert (tmp_path / "evaluation-e1.parquet").read_bytes() == first


def test_the_byte_budget_changes_no_number(corpus: Path) -> None:
    spec = _spec(samples=30)
    loaded = loading.load(corpus, spec)
    torch.manual_seed(0)
    model = build_model(spec, loaded.shape).eval()
    batch = loaded.splits["test"].batch(sorted_batches(loaded.splits["test"], 4)[-1], "text")
    small = spec.replace(evaluate=spec.evaluate.replace(memory_gb=1e-9))
    assert samples_at_once(small.evaluate, model, batch) == 1 < samples_at_once(spec.evaluate, model, batch)
    whole, streamed = (score(model, loaded.splits["test"], s, CPU) for s in (spec, small))
    np.testing.assert_allclose(streamed.log_prob_given_length, whole.log_prob_given_length, rtol=1e-5)
    assert whole.kl is not None
    assert streamed.kl is not None
    np.testing.assert_allclose(streamed.kl, whole.kl, rtol=1e-4)


def test_a_diverged_run_is_passed_on(corpus: Path, tmp_path: Path) -> None:
    train_run(_spec(), corpus, tmp_path, context(_spec()))
    write_json(tmp_path / "run.json", {**read_json(tmp_path / "run.json"), "status": "diverged"})
    _evaluate(_spec(), corpus, tmp_path)
    table = pyarrow.parquet.read_table(tmp_path / "evaluation-e1.parquet")
    assert table.num_rows == 0
    assert table.schema.metadata[b"status"] == b"diverged"


def test_progress_goes_once_through_both_splits(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, float | None]] = []
    train_run(_spec(), corpus, tmp_path, context(_spec()))
    write = ProgressFile.write

    def listen(file: ProgressFile, message: str, fraction: float | None, at_once: bool = False) -> None:
        told.append((message, fraction))
        write(file, message, fraction, at_once=at_once)

    monkeypatch.setattr(ProgressFile, "write", listen)
    _evaluate(_spec(), corpus, tmp_path)
    splits = loading.load(corpus, _spec()).splits
    count = sum(len(sorted_batches(splits[name], _spec().train.valid_batch)) for name in ("valid", "test"))
    batches = [(f"evaluating, batch {done}/{count}", done / count) for done in range(1, count + 1)]
    assert count > 2 and told == [*batches, ("drawing samples", None)]


def test_an_evaluation_says_whose_it_is(corpus: Path, tmp_path: Path) -> None:
    _evaluated(_spec("lstm"), corpus, tmp_path)
    for file in ("evaluation-e1.parquet", "sequences-e1.parquet"):
        metadata = pyarrow.parquet.read_schema(tmp_path / file).metadata
        assert metadata[b"run"].decode() == digest(context(_spec("lstm")).digests)
        assert (metadata[b"evaluation"], metadata[b"status"]) == (b"e1", b"ok")


@pytest.mark.parametrize("part", ["spec", "code", "data"])
def test_files_of_another_run_are_refused(part: str, corpus: Path, tmp_path: Path) -> None:
    spec = _spec("lstm")
    train_run(spec, corpus, tmp_path, context(spec))
    with pytest.raises(UserError, match=rf"run\.json: made with {part} .*, not other; remove it"):
        _evaluate(spec, corpus, tmp_path, **{part: "other"})
    document = read_document(tmp_path / "model.pt")
    write_document(tmp_path / "model.pt", document | {"digests": {**document["digests"], part: "other"}})
    with pytest.raises(UserError, match=rf"model\.pt: made with {part} other, not"):
        _evaluate(spec, corpus, tmp_path)


def test_another_corpus_is_refused(corpus: Path, tmp_path: Path) -> None:
    spec, other = _spec("lstm"), tmp_path / "data" / "tiny" / "other"
    train_run(spec, corpus, tmp_path, context(spec))
    prepare("tiny", SETTINGS, "other", None, other)
    with pytest.raises(UserError, match="made with data other"):
        _evaluate(spec, other, tmp_path)


def test_a_model_that_sees_what_it_predicts_is_caught(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted leak: nine tenths of the probability go to the right symbol."""
    train_run(_spec("lstm"), corpus, tmp_path, context(_spec("lstm")))
    _evaluate(_spec("lstm"), corpus, tmp_path)

    def leaky(self: Categorical, features: Tensor, x: Tensor) -> Tensor:
        return -torch.log(0.9 + 0.1 * torch.exp(-original(self, features, x)))

    original = Categorical.nll
    monkeypatch.setattr(Categorical, "nll", leaky)
    with pytest.raises(UserError, match="above the source's own; no honest model is"):
        _evaluate(_spec("lstm"), corpus, tmp_path)


def test_the_source_itself_is_no_leak(corpus: Path) -> None:
    split = loading.load(corpus, _spec()).splits["test"]
    own = split.columns["log_prob"] - split.columns["log_prob_length"]
    require_no_better_than_source("source", own, split)
    with pytest.raises(UserError, match="look for a leak"):
        require_no_better_than_source("source", own + 0.1, split)


def test_evaluation_is_the_importance_bound_of_the_model(corpus: Path) -> None:
    """One sequence, K draws in one call, against the definition."""
    spec = _spec(samples=5)
    loaded = loading.load(corpus, spec)
    model = build_model(spec, loaded.shape).eval()
    one = loading.Split(loaded.splits["test"].sequences[:1], {}, loaded.splits["test"].width)
    found = score(model, one, spec, CPU).log_prob_given_length
    batch: SequenceBatch = one.batch([0], "text")
    noise = evaluation.generator(CPU, 0, "evaluation", 0)
    with torch.no_grad():
        terms = model.terms(batch, 5, noise)
    assert terms.rate_SB is not None
    expected = (-(terms.distortion_SB + terms.rate_SB)).logsumexp(0) - math.log(5)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)
