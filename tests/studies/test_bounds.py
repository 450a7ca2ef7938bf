"""Bounds by the number of samples: what each is made of, and that more samples never loosen one."""

import math
from pathlib import Path

import pytest
import torch

from lnf.corpora import loading
from lnf.corpora.loading import sorted_batches
from lnf.models.objectives import iwae_bound
from lnf.runs.progress import ProgressFile
from lnf.runs.training import train_run
from lnf.spec import EvaluateSpec
from lnf.studies.bounds import _drawn, mean_bound, run_bounds
from lnf.system.sealed import read_rows
from tests.specs import tiny_spec
from tests.tiny_corpus import context, prepared

SETTINGS = {"samples": [6, 1, 2], "sequences": None, "seed": 0}


def test_groups_of_samples_share_them_out() -> None:
    weights_KB = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(mean_bound(weights_KB, 1), weights_KB.mean(0))
    assert torch.allclose(mean_bound(weights_KB, 7), iwae_bound(weights_KB))
    halves = (iwae_bound(weights_KB[:3]) + iwae_bound(weights_KB[3:6])) / 2
    assert torch.allclose(mean_bound(weights_KB, 3), halves)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_more_samples_in_the_same_groups_tighten_every_sequences_bound(most: int) -> None:
    weights_KB = torch.randn(12, 50, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert (mean_bound(weights_KB, 2 * most) >= mean_bound(weights_KB, most)).all()


@pytest.fixture
def _never_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lnf.studies.bounds._error", lambda *_: 0.0)


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(the corpus, a trained run)."""
    folder = tmp_path_factory.mktemp("bounds")
    corpus = prepared(folder)
    spec = tiny_spec("af_af").replace(evaluate=EvaluateSpec(samples=2))
    train_run(spec, corpus, folder / "af_af", context(spec))
    return corpus, folder / "af_af"


@pytest.mark.usefixtures("_never_flat")
def test_the_bound_of_a_run_by_samples(bounded: tuple[Path, Path], tmp_path: Path) -> None:
    corpus, run = bounded
    run_bounds(str(run), str(corpus), SETTINGS, 1, tmp_path)
    rows = read_rows(tmp_path / "bounds.parquet")
    assert [(row["prior"], row["k"], row["unit"]) for row in rows] == [("af_af", k, "bpc") for k in (1, 2, 6)]
    values = [row["nll"] for row in rows]
    assert values == sorted(values, reverse=True) and all(map(math.isfinite, values)) and values[0] > values[-1]
    assert not (tmp_path / "state").exists()


@pytest.mark.usefixtures("_never_flat")
def test_both_protocols_are_of_the_same_bound(bounded: tuple[Path, Path], tmp_path: Path) -> None:
    corpus, run = bounded
    run_bounds(str(run), str(corpus), SETTINGS, 1, tmp_path)
    test = loading.load(corpus, tiny_spec("af_af")).splits["test"]
    steps, sequences = sum(map(len, test.sequences)), len(test)
    lengths = [row["nll"] * (steps + sequences) - row["nll_given_length"] * steps
               for row in read_rows(tmp_path / "bounds.parquet")]  # fmt: skip
    assert lengths == pytest.approx([lengths[0]] * 3, abs=1e-6) and lengths[0] > 0


@pytest.mark.usefixtures("_never_flat")
def test_progress_is_told_within_a_batch(
    bounded: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, run = bounded
    told: list[float] = []
    write = ProgressFile.write

    def listen(file: ProgressFile, message: str, fraction: float, at_once: bool = False) -> None:
        told.append(fraction)
        write(file, message, fraction, at_once=at_once)

    monkeypatch.setattr(ProgressFile, "write", listen)
    monkeypatch.setattr("lnf.studies.bounds.samples_at_once", lambda *arguments: 2)
    run_bounds(str(run), str(corpus), SETTINGS, 1, tmp_path)
    batches = len(sorted_batches(loading.load(corpus, tiny_spec("af_af")).splits["test"], 4))
    assert told == sorted(told) and told[-1] == 1.0 and len(set(told)) > 2 * batches


def test_samples_are_drawn_until_the_bound_is_flat(
    bounded: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not below the K of the evaluation, which the gain is held against."""
    corpus, run = bounded
    monkeypatch.setattr("lnf.studies.bounds._error", lambda *_: 1e9)
    run_bounds(str(run), str(corpus), {"samples": [1, 4, 8, 16], "sequences": None, "seed": 0}, 1, tmp_path)
    rows = read_rows(tmp_path / "bounds.parquet")
    assert [(row["k"], row["flat"]) for row in rows] == [(1, False), (2, True)]


def test_a_gain_is_over_the_evaluations_samples_and_has_its_error(bounded: tuple[Path, Path], tmp_path: Path) -> None:
    corpus, run = bounded
    run_bounds(str(run), str(corpus), {"samples": [1, 3, 500], "sequences": 40, "seed": 0}, 1, tmp_path)
    rows = {row["k"]: row for row in read_rows(tmp_path / "bounds.parquet")}
    assert rows[2]["gain"] == 0 and rows[2]["n"] == 40 and rows[1]["gain"] < 0
    for row in rows.values():
        assert row["gain"] == pytest.approx(rows[2]["nll"] - row["nll"])
        assert row["error"] > 0 and (row["gain_error"] > 0 or row["k"] == 2)


def test_a_draw_of_sequences_is_the_same_for_all_models(bounded: tuple[Path, Path]) -> None:
    test = loading.load(bounded[0], tiny_spec("af_af")).splits["test"]
    one, other = _drawn(test, 10, 0), _drawn(test, 10, 0)
    assert [x.tolist() for x in one.sequences] == [x.tolist() for x in other.sequences] and len(one) == 10
    assert _drawn(test, None, 0) is test and len(_drawn(test, 10**6, 0)) == len(test)
