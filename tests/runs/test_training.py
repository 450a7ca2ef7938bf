"""Training: reproducible to the bit, resumable wherever it was cut, honest about divergence."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import torch

from lnf.corpora import loading
from lnf.errors import UserError
from lnf.models.objectives import Terms, objective
from lnf.plan.digests import spec_digest
from lnf.runs import checkpoint
from lnf.runs.state import State
from lnf.runs.totals import Totals
from lnf.runs.training import train_run
from lnf.spec import ModelSpec, Spec
from lnf.system.files import read_json
from lnf.system.sealed import read_document, write_document
from tests.specs import tiny_spec
from tests.tiny_corpus import context, prepared
from tests.training import Cut, cut_after, training_of


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("corpus"))


def _spec(prior: str = "af_scf", **train: Any) -> Spec:
    spec = tiny_spec(prior, **train)
    return spec.replace(model=spec.model.replace(dropout=0.3))


def _train(spec: Spec, corpus: Path, out: Path) -> bytes:
    train_run(spec, corpus, out, context())
    return (out / "history.parquet").read_bytes()


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was not cut."""
    out = tmp_path_factory.mktemp("whole")
    _train(_spec(accumulate=3), corpus, out)
    return out


@pytest.mark.parametrize("prior", ["lstm", "af_scf", "iaf_scf"])
def test_same_seed_same_bits(prior: str, corpus: Path, tmp_path: Path) -> None:
    first, again = (_train(_spec(prior), corpus, tmp_path / name) for name in ("first", "again"))
    other = _train(_spec(prior).replace(seed=1), corpus, tmp_path / "other")
    assert first == again
    assert first != other


@pytest.mark.parametrize("prior", ["lstm", "iaf_scf"])
def test_bfloat16_is_another_run_with_nearly_the_same_curve(prior: str, corpus: Path, tmp_path: Path) -> None:
    plain = _spec(prior)
    coarse = plain.replace(model=plain.model.replace(precision="bfloat16"))
    for spec, name in ((plain, "float32"), (coarse, "bfloat16")):
        _train(spec, corpus, tmp_path / name)
    curves = [
        pyarrow.parquet.read_table(tmp_path / name / "history.parquet").column("valid_loss").to_pylist()
        for name in ("float32", "bfloat16")
    ]
    assert curves[0] != curves[1] and spec_digest(plain) != spec_digest(coarse)
    assert curves[1] == pytest.approx(curves[0], rel=0.01)


def test_results_of_a_run(corpus: Path, tmp_path: Path) -> None:
    _train(_spec(), corpus, tmp_path)
    facts = read_json(tmp_path / "run.json")
    history = pyarrow.parquet.read_table(tmp_path / "history.parquet").to_pylist()
    assert facts["status"] == "ok"
    assert facts["epochs"] == len(history) == 4
    assert facts["best_valid_loss"] == min(row["valid_loss"] for row in history if row["epoch"] >= 2)
    assert facts["stopped"] == "all epochs done"
    assert not (tmp_path / "state").exists()
    model, spec, document = checkpoint.load(tmp_path / "model.pt")
    assert spec == _spec()
    assert document["digests"] == context().digests
    assert facts["parameters"] == sum(parameter.numel() for parameter in model.parameters())


def test_loss_falls(corpus: Path, tmp_path: Path) -> None:
    spec = _spec("lstm", epochs=15, learning_rate=1e-2).replace(model=ModelSpec(hidden=16, embedding=16, dropout=0.0))
    _train(spec, corpus, tmp_path)
    history = pyarrow.parquet.read_table(tmp_path / "history.parquet").to_pylist()
    assert history[-1]["train_loss"] < 0.8 * history[0]["train_loss"]


@pytest.mark.parametrize("state_minutes", [0.0, 60.0], ids=["inside an epoch", "at an epoch's start"])
@pytest.mark.parametrize("steps", [0, 3, 10, 25, 39])
def test_a_cut_run_ends_with_the_same_bits(
    steps: int, state_minutes: float, whole: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = _spec(state_minutes=state_minutes, accumulate=3)
    with monkeypatch.context() as patch, pytest.raises(Cut):
        cut_after(patch, steps)
        _train(spec, corpus, tmp_path / "cut")
    assert (tmp_path / "cut" / "state" / "epoch.pt").exists()
    assert _train(spec, corpus, tmp_path / "cut") == (whole / "history.parquet").read_bytes()
    models = [checkpoint.load(run / "model.pt")[0].state_dict() for run in (whole, tmp_path / "cut")]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_state_of_other_code_is_discarded_with_a_line(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = _train(_spec(), corpus, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(Cut):
        cut_after(patch, 25)
        train_run(_spec(learning_rate=0.5), corpus, tmp_path / "cut", context(code="older"))
    assert _train(_spec(), corpus, tmp_path / "cut") == whole
    assert "the code changed since this state was written; starting again" in capsys.readouterr().out


def _poison(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Make the loss of some batches NaN, as a diverging flow does."""
    left = times

    def poisoned(terms: Terms, *arguments: Any) -> Any:
        nonlocal left
        found = objective(terms, *arguments)
        if torch.is_grad_enabled() and left > 0:
            left -= 1
            return replace(found, loss_B=found.loss_B * float("nan"))
        return found

    monkeypatch.setattr("lnf.runs.training.objective", poisoned)


def test_a_diverging_run_goes_on_with_a_smaller_step(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _poison(monkeypatch, 2)
    _train(_spec(), corpus, tmp_path)
    facts = read_json(tmp_path / "run.json")
    history = pyarrow.parquet.read_table(tmp_path / "history.parquet").to_pylist()
    assert (facts["status"], facts["rollbacks"]) == ("ok", 2)
    assert history[0]["learning_rate"] == 1e-3 / 4


def test_divergence_for_good_is_a_result(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _poison(monkeypatch, 1000)
    _train(_spec(), corpus, tmp_path)
    facts = read_json(tmp_path / "run.json")
    assert (facts["status"], facts["rollbacks"], facts["epochs"]) == ("diverged", 3, 0)
    assert pyarrow.parquet.read_table(tmp_path / "history.parquet").num_rows == 0
    checkpoint.load(tmp_path / "model.pt")


def test_stops_when_the_learning_rate_is_below_its_floor(corpus: Path, tmp_path: Path) -> None:
    """A learning rate that is far too large stalls at once: 0.5, 0.005, 0.00005, 0.0000005."""
    _train(_spec("lstm", epochs=50, learning_rate=0.5, decay_factor=100.0), corpus, tmp_path)
    facts = read_json(tmp_path / "run.json")
    assert facts["epochs"] < 50
    assert facts["stopped"] == "learning rate below 1e-06"


@pytest.mark.parametrize(("on_decay", "kept"), [("reset", False), ("keep", True)])
def test_decay_resets_or_keeps_the_optimizer(on_decay: str, kept: bool, corpus: Path, tmp_path: Path) -> None:
    spec = _spec(on_decay=on_decay, kl_anneal=False)
    state = training_of(spec, loading.load(corpus, spec), tmp_path).state
    before = state.optimizer
    for loss in (1.0, 2.0):
        state.totals = Totals(loss=loss, tokens=1)
        state.end_epoch(Totals(loss=loss, tokens=1))
    assert (state.optimizer is before) == kept
    assert state.optimizer.param_groups[0]["lr"] == spec.train.learning_rate / spec.train.decay_factor


def test_the_rest_of_an_accumulation_group_is_dropped(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10 batches in groups of 4: two steps an epoch, and no gradient is left for the next."""
    spec, steps, step = _spec(accumulate=4), list[int](), State.step
    monkeypatch.setattr(State, "step", lambda state: (steps.append(state.epoch), step(state))[1])
    state = training_of(spec, loading.load(corpus, spec), tmp_path).fit().state
    assert steps == [epoch for epoch in range(spec.train.epochs) for _ in range(2)]
    assert all(parameter.grad is None for parameter in state.model.parameters())


def test_objective_weighs_every_sentence_the_same(corpus: Path, tmp_path: Path) -> None:
    """mean over the batch of L_i / (T_i + 1), L_i = mean_s(D + beta R) - log p(T) (docs/paper.md 3e)."""
    spec = tiny_spec("af_scf")
    loaded = loading.load(corpus, spec)
    model = training_of(spec, loaded, tmp_path).state.model.eval()
    batch = loaded.splits["train"].batch([0, 1, 2], "text")
    raw = model.terms(batch, 3, torch.Generator().manual_seed(0))
    assert raw.rate_SB is not None
    expected = (raw.distortion_SB + 0.25 * raw.rate_SB).mean(0) - loaded.shape.log_p_length[batch.lengths_B]
    torch.testing.assert_close(objective(raw, 0.25).loss_B.double(), expected.double())


def test_too_few_epochs_are_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.epochs: 2: .* it must be at least 3, or kl_anneal: false"):
        _train(_spec(epochs=2), corpus, tmp_path)


def test_data_of_other_settings_are_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is corpus c0ffee, not other"):
        train_run(_spec(), corpus, tmp_path, context(data="other"))


def test_model_of_an_unknown_format_names_the_revision_that_reads_it(corpus: Path, tmp_path: Path) -> None:
    _train(_spec(), corpus, tmp_path)
    document = read_document(tmp_path / "model.pt")
    write_document(tmp_path / "model.pt", {**document, "format": 99, "revision": "abc123"})
    with pytest.raises(UserError, match=r"format 99, this revision reads 2 to 3; read it with revision abc123"):
        checkpoint.load(tmp_path / "model.pt")
