"""What code digests leave out changes no number: a reason for each entry of INERT, as a test."""

import ast
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
import torch

from lnf.plan.code_digests import INERT, PACKAGE
from lnf.plan.digests import evaluation_digest, spec_digest
from lnf.runs import keeper, training
from lnf.runs.monitor import Monitor
from lnf.runs.progress import ProgressFile
from lnf.spec import SECTIONS, Spec, read_spec
from lnf.system import files, sealed
from tests.specs import tiny_spec
from tests.tiny_corpus import context, prepared


def train(folder: Path, corpus: Path) -> tuple[bytes, dict[str, torch.Tensor]]:
    """The history and the weights of a small run."""
    spec = tiny_spec("af_scf")
    training.train_run(spec, corpus, folder, context(spec))
    weights: dict[str, torch.Tensor] = sealed.read_document(folder / "model.pt")["state_dict"]
    return (folder / "history.parquet").read_bytes(), weights


def without(patched: pytest.MonkeyPatch, *stubs: tuple[Any, str, Any]) -> None:
    for place, name, stub in stubs:
        assert hasattr(place, name)
        patched.setattr(place, name, stub)


def assert_same_run(tmp_path: Path, *stubs: tuple[Any, str, Any]) -> None:
    """A run whose parts are replaced by ones that do nothing has the same bytes."""
    corpus = prepared(tmp_path)
    history, weights = train(tmp_path / "whole", corpus)
    with pytest.MonkeyPatch.context() as patched:
        without(patched, *stubs)
        other, others = train(tmp_path / "without", corpus)
    assert other == history and all(torch.equal(others[name], value) for name, value in weights.items())


def only_names_and_texts(_: Path) -> None:
    for node in ast.parse((PACKAGE / "errors.py").read_text(encoding="utf-8")).body[1:]:
        assert isinstance(node, ast.ClassDef) and all(isinstance(part, ast.Expr) for part in node.body), ast.dump(node)


def what_is_written_is_read(tmp_path: Path) -> None:
    """And a run without locks, durable files and provenance is the same."""
    tensors = {"a": torch.randn(3, 2, dtype=torch.float64), "b": [torch.tensor(float("nan")), 7, "text"]}
    sealed.write_document(tmp_path / "a.pt", tensors)
    read = sealed.read_document(tmp_path / "a.pt")
    assert torch.equal(read["a"], tensors["a"]) and read["b"][0].isnan() and read["b"][1:] == [7, "text"]
    arrays = {"x": np.array([1e-300, np.inf]), "y": np.arange(6, dtype=np.uint8).reshape(2, 3)}
    sealed.write_arrays(tmp_path / "a.npz", arrays)
    assert all(np.array_equal(sealed.read_arrays(tmp_path / "a.npz")[name], array) for name, array in arrays.items())
    table = pyarrow.table({"x": [0.1, None, 1e-300], "n": [1, 2, 3]})
    sealed.write_table(tmp_path / "a.parquet", table)
    assert sealed.read_table(tmp_path / "a.parquet").equals(table)
    files.write_json(tmp_path / "a.json", {"x": 0.1 + 0.2})
    assert files.read_json(tmp_path / "a.json") == {"x": 0.1 + 0.2}
    assert_same_run(
        tmp_path,
        (training, "run_lock", lambda *_: contextlib.nullcontext()),
        (training.provenance, "machine", dict),
        (training.provenance, "versions", dict),
        (files, "_flush", lambda _: None),
    )


def values_are_in_a_digest(_: Path) -> None:
    """Every setting changes the digest of the run or of its evaluation, but for those that change no number."""
    spec = tiny_spec("af_scf").replace(kind="music")
    idle = {"resources.gpus", "resources.memory_gb", "train.state_minutes", "evaluate.memory_gb", "sample.step_seconds"}
    digests = (spec_digest(spec), evaluation_digest(spec))
    for section in SECTIONS:
        part = getattr(spec, section)
        for name, value in part:
            other = spec.replace(**{section: part.replace(**{name: _another(name, value)})})
            changed = (spec_digest(other), evaluation_digest(other)) != digests
            assert changed == (f"{section}.{name}" not in idle), f"{section}.{name}"


def _another(name: str, value: Any) -> Any:
    choices = {"precision": "bfloat16", "optimizer": "sgd", "bound": "iwae", "on_decay": "keep", "smoothing": "none"}
    if name in choices:
        return choices[name]
    if isinstance(value, dict):
        return {"size": 1}
    if isinstance(value, bool):
        return not value
    if value is None or isinstance(value, str):  # a size of a subset; gpus: auto
        return 1
    return value + 1 if isinstance(value, int) else value / 2 + 0.01 if value < 1 else value * 2


def what_is_stored_is_read(_: Path) -> None:
    for prior in ("lstm", "af_af"):
        spec = tiny_spec(prior, learning_rate=0.1 + 0.2)
        assert Spec.from_dict(spec.to_dict()) == spec == read_spec(spec.to_dict(), None)


def a_run_that_fits_is_not_changed(tmp_path: Path) -> None:
    assert_same_run(tmp_path, (training, "require_fitting", lambda _: None))


def what_is_said_of_it(tmp_path: Path) -> None:
    assert_same_run(
        tmp_path,
        (training, "origin_of", lambda _: {"revision": "other", "unversioned": []}),
        (training, "trained_definitions", lambda _: {}),
        (training, "prepared_data", lambda _: {}),
    )


def nobody_watches_or_asks(tmp_path: Path) -> None:
    """A run that is asked to stop goes on to the same bytes: tests/reliability/test_signals.py."""
    watched = (ProgressFile, "write", lambda *_, **__: None)
    assert_same_run(
        tmp_path, watched, (keeper, "asked_to_stop", lambda _: False), (keeper, "take_back", lambda _: None)
    )


def nobody_watches_the_steps(tmp_path: Path) -> None:
    nothing = [(Monitor, name, lambda *_: None) for name in ("begin", "step", "end_epoch")]
    assert_same_run(tmp_path, *nothing, (Monitor, "rows", lambda _: []))


REASONS: dict[str, Callable[[Path], None]] = {
    "lnf.errors": only_names_and_texts,
    "lnf.system": what_is_written_is_read,
    "lnf.spec": values_are_in_a_digest,
    "lnf.fields": what_is_stored_is_read,
    "lnf.plan.fitting": a_run_that_fits_is_not_changed,
    "lnf.plan.origin": what_is_said_of_it,
    "lnf.runs.monitor": nobody_watches_the_steps,
    "lnf.runs.progress": nobody_watches_or_asks,
}


def test_every_entry_has_a_reason() -> None:
    assert list(REASONS) == list(INERT)


@pytest.mark.parametrize("entry", INERT)
def test_it_changes_no_number(entry: str, tmp_path: Path) -> None:
    REASONS[entry](tmp_path)
