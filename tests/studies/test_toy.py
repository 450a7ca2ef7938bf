"""The toy: entropies are right, densities are densities, more steps come nearer to the truth."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import torch

from lnf.runs.seeds import generator
from lnf.studies.toy import CPU, HALF_WIDTH, POINTS, RADIUS, SD, TARGETS, fit, log_prob, run_toy
from lnf.system.sealed import read_arrays

SETTINGS: dict[str, Any] = {"steps": 60, "batch": 128, "learning_rate": 1e-2, "train": 2000, "test": 500, "layers": 3,
                            "width": 16, "seeds": [0, 1]}  # fmt: skip


def true_density(target: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The target's density, written a second time."""
    if target == "checkerboard":
        inside = (np.abs(x) < 4) & (np.abs(y) < 4)
        black = (np.floor(x / 2) + np.floor(y / 2)) % 2 == 0
        density: np.ndarray = np.where(inside & black, 1 / 32, 0.0)
        return density
    angles = np.arange(8) * math.pi / 4
    blobs = [np.exp(-((x - RADIUS * math.cos(a)) ** 2 + (y - RADIUS * math.sin(a)) ** 2) / (2 * SD**2)) for a in angles]
    mixture: np.ndarray = np.sum(blobs, axis=0) / (8 * 2 * math.pi * SD**2)
    return mixture


@pytest.mark.parametrize("target", TARGETS)
def test_the_entropy_is_that_of_the_density(target: str) -> None:
    axis = np.linspace(-7, 7, 1401)[:-1] + 0.005
    p = true_density(target, *np.meshgrid(axis, axis))
    cell = 0.01**2
    assert p.sum() * cell == pytest.approx(1, abs=1e-6)
    assert -(p[p > 0] * np.log(p[p > 0])).sum() * cell == pytest.approx(TARGETS[target].entropy, abs=1e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_points_have_the_density(target: str) -> None:
    """The mean of -log p over draws is the entropy, within four standard errors."""
    points = TARGETS[target].draw(20000, generator(CPU, 0, "test")).double().numpy()
    log_p = np.log(true_density(target, points[:, 0], points[:, 1]))
    error = 4 * log_p.std() / math.sqrt(len(log_p)) + 1e-9
    assert -log_p.mean() == pytest.approx(TARGETS[target].entropy, abs=error)


def test_every_fit_is_written_and_no_flow_beats_the_truth(tmp_path: Path) -> None:
    run_toy(SETTINGS, tmp_path)
    rows = pyarrow.parquet.read_table(tmp_path / "nll.parquet").to_pylist()
    assert len({(row["target"], row["transform"], row["seed"]) for row in rows}) == len(rows) == 8
    assert all(row["nll"] > row["entropy"] for row in rows)
    densities = read_arrays(tmp_path / "densities.npz")
    assert len(densities) == 6
    area = (2 * HALF_WIDTH / (POINTS - 1)) ** 2
    for target in TARGETS:
        for transform in ("affine", "nlsq"):
            assert 0.3 < densities[f"{target}/{transform}"].sum() * area < 1.01


def test_the_same_seed_gives_the_same_flow_and_steps_help() -> None:
    target, points = TARGETS["checkerboard"], TARGETS["checkerboard"].draw(500, generator(CPU, 1, "test"))

    def nll(**changes: Any) -> float:
        return float(-log_prob(fit("nlsq", target, {**SETTINGS, **changes}, 0), points).mean())

    assert nll() == nll() and nll(steps=200) < nll() < nll(steps=1)
    assert torch.equal(points, target.draw(500, generator(CPU, 1, "test")))
