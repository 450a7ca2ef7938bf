"""The toy of the paper's appendix: what a flow of one scalar transform can make of a plane (docs/paper.md section 2).

An unconditional flow of MADE layers is fitted to points of two densities whose entropy is known, so that its distance
from the truth, test NLL - entropy = KL(truth || flow), is known too.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow
import torch
from torch import Tensor, nn

from lnf.errors import UserError
from lnf.flows.base import HiddenFlow
from lnf.flows.hidden import AutoregressiveHidden
from lnf.report.figures.canvas import Canvas, save
from lnf.report.figures.style import COLOURS
from lnf.runs.machine import settle
from lnf.runs.seeds import derive, generator
from lnf.spec import class_of
from lnf.system.sealed import read_arrays, read_rows, write_arrays, write_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = {"affine": "affine", "nlsq": "NLSq"}

RADIUS, SD, BLOBS = 4.0, 0.3, 8
SIDE, SQUARES = 2.0, 8
TRANSFORMS = ("affine", "nlsq")
HALF_WIDTH, POINTS = 5.5, 160
"""Densities are drawn on POINTS x POINTS points of the square of this half width."""
CPU = torch.device("cpu")


def eight_gaussians(count: int, noise: torch.Generator) -> Tensor:
    """Points [count, 2] of eight equal Gaussians on a circle."""
    angle = torch.randint(BLOBS, (count,), generator=noise) * (2 * math.pi / BLOBS)
    centre = RADIUS * torch.stack([angle.cos(), angle.sin()], -1)
    return centre + SD * torch.randn(count, 2, generator=noise)


def checkerboard(count: int, noise: torch.Generator) -> Tensor:
    """Points [count, 2] spread evenly over the black squares of a board of 4 x 4."""
    square = torch.randint(SQUARES, (count,), generator=noise)
    row, column = square // 2, (square % 2) * 2 + (square // 2) % 2
    corner = SIDE * (torch.stack([column, row], -1) - 2.0)
    return corner + SIDE * torch.rand(count, 2, generator=noise)


@dataclass(frozen=True)
class Target:
    """A density on the plane: how to draw from it, and its entropy in nats."""

    draw: Callable[[int, torch.Generator], Tensor]
    entropy: float


TARGETS = {
    # The Gaussians are ten standard deviations apart: what they share is below 1e-5 nats.
    "eight Gaussians": Target(eight_gaussians, math.log(BLOBS) + 1 + math.log(2 * math.pi * SD**2)),
    "checkerboard": Target(checkerboard, math.log(SQUARES * SIDE**2)),
}


def run_toy(settings: Mapping[str, Any], out: Path) -> None:
    """Fit every transform to every target with every seed: OUT/nll.parquet, and OUT/densities.npz of the first seed.

    `settings`: steps, batch, train, test (points), layers, width, learning_rate, seeds.
    """
    settle(1)
    rows, densities = [], {}
    for name, transform, seed in _fits(settings):
        flow = fit(transform, TARGETS[name], settings, seed)
        points = TARGETS[name].draw(settings["test"], generator(CPU, 0, "toy", name, "test"))
        nll = float(-log_prob(flow, points).mean())
        rows.append(
            {"target": name, "transform": transform, "seed": seed, "nll": nll, "entropy": TARGETS[name].entropy}
        )
        if not math.isfinite(nll):
            raise UserError(
                f"toy: {name}, {transform}, seed {seed}: NLL {nll}; a lower toy.learning_rate would be right"
            )
        excess = nll - TARGETS[name].entropy
        print(f"toy: {name}, {transform}, seed {seed}: NLL - entropy {excess:.3f} nats", flush=True)
        if seed == settings["seeds"][0]:
            densities[f"{name}/{transform}"] = density(flow)
            densities[f"{name}/data"] = points[:4000].numpy()
    write_arrays(out / "densities.npz", densities)
    write_table(out / "nll.parquet", pyarrow.Table.from_pylist(rows))


def fit(transform: str, target: Target, settings: Mapping[str, Any], seed: int) -> HiddenFlow:
    """A flow after its last step: Adam on the mean NLL, the step size falling to nothing along a cosine."""
    train = target.draw(settings["train"], generator(CPU, 0, "toy", "train"))
    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, "toy", transform))
        flow = AutoregressiveHidden(
            class_of("transform", transform)(),
            latent=2,
            context=1,
            layers=settings["layers"],
            width=settings["width"],
        )
    optimizer = torch.optim.Adam(flow.parameters(), settings["learning_rate"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings["steps"])
    order = generator(CPU, seed, "toy", "batches")
    for _ in range(settings["steps"]):
        rows = torch.randint(len(train), (settings["batch"],), generator=order)
        optimizer.zero_grad()
        (-log_prob(flow, train[rows]).mean()).backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return flow.requires_grad_(False)


def log_prob(flow: HiddenFlow, points_N2: Tensor) -> Tensor:
    """log density of points, [N], in nats: the context, which a plane does not have, is 0."""
    return flow.log_prob(points_N2, points_N2.new_zeros(len(points_N2), 1))


def density(flow: HiddenFlow) -> np.ndarray:
    """The density on the grid, [POINTS, POINTS], first axis y."""
    axis = torch.linspace(-HALF_WIDTH, HALF_WIDTH, POINTS)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    values: np.ndarray = log_prob(flow, torch.stack([x, y], -1).flatten(0, 1)).exp().view(POINTS, POINTS).numpy()
    return values


def _fits(settings: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    yield from ((name, transform, seed) for name in TARGETS for transform in TRANSFORMS for seed in settings["seeds"])


def draw(studies: Mapping[str | None, Sequence[Path]], labels: Mapping[str, str], folder: Path) -> None:
    """toy.* from STUDY/nll.parquet and STUDY/densities.npz: a row a target, its data, then each transform."""
    ((study, *_),) = studies.values()
    save(folder, "toy", partial(_draw, study))


def _draw(study: Path, canvas: Canvas) -> None:
    rows, densities = read_rows(study / "nll.parquet"), read_arrays(study / "densities.npz")
    targets, transforms = (list(dict.fromkeys(row[key] for row in rows)) for key in ("target", "transform"))
    side = canvas.width / (len(transforms) + 1)
    drawn = canvas.figure((side + 0.1) * len(targets) + 0.3)
    grid = drawn.subplots(len(targets), len(transforms) + 1, squeeze=False)
    for axes_row, target in zip(grid, targets, strict=True):
        _bare(axes_row[0], target, canvas)
        points = densities[f"{target}/data"]
        axes_row[0].plot(points[:, 0], points[:, 1], ".", color=COLOURS[6], markersize=0.6, rasterized=True)
        for axes, transform in zip(axes_row[1:], transforms, strict=True):
            excess = [
                row["nll"] - row["entropy"] for row in rows if (row["target"], row["transform"]) == (target, transform)
            ]
            spread = float(np.std(excess, ddof=1)) if len(excess) > 1 else None
            error = "" if spread is None else f" ± {spread:.3f}"
            _bare(axes, f"{NAMES[transform]}: {np.mean(excess):.3f}{error} nats", canvas)
            image = densities[f"{target}/{transform}"]
            extent = (-HALF_WIDTH, HALF_WIDTH, -HALF_WIDTH, HALF_WIDTH)
            axes.imshow(np.sqrt(image), origin="lower", extent=extent, cmap="gray_r")
            facts = {"value": float(np.mean(excess)), "unit": "nats above the entropy", "sd": spread}
            canvas.mark(axes, target=target, transform=NAMES[transform], **facts)
    drawn.suptitle("test NLL - entropy: 0 is perfect, lower is better", fontsize=7)


def _bare(axes: "Axes", title: str, canvas: Canvas) -> None:
    axes.set_title(title, loc="left", fontsize=5 if canvas.narrow else 7)
    axes.set_xlim(-HALF_WIDTH, HALF_WIDTH)
    axes.set_ylim(-HALF_WIDTH, HALF_WIDTH)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
