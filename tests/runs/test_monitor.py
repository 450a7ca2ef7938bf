"""What is watched of a training, next to its losses: an epoch has one line whatever happened in it."""

from pathlib import Path

import pytest
import torch

from lnf.corpora import loading
from lnf.runs.monitor import MONITOR, Monitor
from lnf.runs.training import train_run
from lnf.system.sealed import read_rows
from tests.specs import tiny_spec
from tests.tiny_corpus import context, prepared
from tests.training import Training, training_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("corpus"))


def test_a_run_leaves_a_line_an_epoch(corpus: Path, tmp_path: Path) -> None:
    spec = tiny_spec(accumulate=2)
    train_run(spec, corpus, tmp_path, context(spec))
    rows, history = (read_rows(tmp_path / name) for name in ("monitor.parquet", "history.parquet"))
    batches = -(-len(loading.load(corpus, spec).splits["train"]) // spec.train.batch)
    assert [row["epoch"] for row in rows] == [row["epoch"] for row in history]
    assert [row["steps"] for row in rows] == [(n + 1) * (batches // 2) for n in range(spec.train.epochs)]
    assert all(0 < row["gradient_norm"] <= row["gradient_norm_max"] and row["step_seconds"] > 0 for row in rows)
    assert list(rows[0]) == MONITOR.names and all(0.05 < row["memory_gib"] < 64 for row in rows)


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A run that was not cut."""
    return training_of(tiny_spec(), loading.load(corpus, tiny_spec()), tmp_path_factory.mktemp("whole")).fit()


@pytest.mark.parametrize("batches", [3, 9, 14])
def test_a_run_that_was_cut_has_every_epoch_once(batches: int, whole: Training, corpus: Path, tmp_path: Path) -> None:
    cut = training_of(tiny_spec(state_minutes=0.0), loading.load(corpus, tiny_spec()), tmp_path / "cut")
    again = cut.cut_and_resumed(batches)
    ours, theirs = ([(row["epoch"], row["steps"]) for row in one.keeper.monitor.rows()] for one in (again, whole))
    assert ours == theirs and len(ours) == tiny_spec().train.epochs


def test_the_norms_of_an_epoch_that_diverged_do_not_count(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path)
    monitor.step(100.0)
    monitor.begin()
    for norm in (1.0, 3.0):
        monitor.step(norm)
    monitor.end_epoch(0, 2, CPU)
    (row,) = monitor.rows()
    assert (row["steps"], row["gradient_norm"], row["gradient_norm_max"]) == (2, 2.0, 3.0)


def test_of_an_epoch_that_was_trained_again_the_last_line_counts(tmp_path: Path) -> None:
    for epoch, norm in ((0, 1.0), (1, 2.0), (1, 5.0)):
        monitor = Monitor(tmp_path)
        monitor.step(norm)
        monitor.end_epoch(epoch, epoch + 1, CPU)
    assert [(row["epoch"], row["gradient_norm"]) for row in monitor.rows()] == [(0, 1.0), (1, 5.0)]


def test_a_damaged_file_costs_its_lines_and_no_training(tmp_path: Path) -> None:
    (tmp_path / "monitor.jsonl").write_text('{"epoch": 2, "st', encoding="utf-8")
    monitor = Monitor(tmp_path)
    monitor.step(1.0)
    monitor.end_epoch(3, 4, CPU)
    assert [row["epoch"] for row in monitor.rows()] == [3]
