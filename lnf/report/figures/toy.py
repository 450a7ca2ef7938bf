"""The toy: what each scalar transform makes of two densities on a plane."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from lnf.report.figures.style import COLOURS, INCH_PAGE, figure
from lnf.system.sealed import read_arrays, read_rows

NAMES = {"affine": "affine", "nlsq": "NLSq"}
HALF_WIDTH = 5.5


def draw(studies: Mapping[str | None, Sequence[Path]], labels: Mapping[str, str], folder: Path) -> None:
    """toy.{pdf,png} from STUDY/nll.parquet and STUDY/densities.npz: a row a target, its data, then each transform."""
    ((study, *_),) = studies.values()
    rows, densities = read_rows(study / "nll.parquet"), read_arrays(study / "densities.npz")
    targets, transforms = (list(dict.fromkeys(row[key] for row in rows)) for key in ("target", "transform"))
    width = INCH_PAGE / (len(transforms) + 1)
    with figure(folder, "toy", INCH_PAGE, width * len(targets)) as drawn:
        grid = drawn.subplots(len(targets), len(transforms) + 1, squeeze=False)
        for axes_row, target in zip(grid, targets, strict=True):
            _bare(axes_row[0], target)
            points = densities[f"{target}/data"]
            axes_row[0].plot(points[:, 0], points[:, 1], ".", color=COLOURS[6], markersize=0.6)
            for axes, transform in zip(axes_row[1:], transforms, strict=True):
                excess = [
                    row["nll"] - row["entropy"]
                    for row in rows
                    if (row["target"], row["transform"]) == (target, transform)
                ]
                spread = f" ± {np.std(excess, ddof=1):.3f}" if len(excess) > 1 else ""
                _bare(axes, f"{NAMES[transform]}: {np.mean(excess):.3f}{spread} nats")
                image = densities[f"{target}/{transform}"]
                extent = (-HALF_WIDTH, HALF_WIDTH, -HALF_WIDTH, HALF_WIDTH)
                axes.imshow(np.sqrt(image), origin="lower", extent=extent, cmap="gray_r")


def _bare(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left")
    axes.set_xlim(-HALF_WIDTH, HALF_WIDTH)
    axes.set_ylim(-HALF_WIDTH, HALF_WIDTH)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
