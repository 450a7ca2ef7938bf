"""The bound on the NLL against the number of importance samples."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.ticker import ScalarFormatter

from lnf.report.figures.style import INCH_PAGE, figure, looks
from lnf.system.sealed import read_rows


def draw(studies: Mapping[str | None, Sequence[Path]], labels: Mapping[str, str], folder: Path) -> None:
    """bounds.{pdf,png} from STUDY/bounds.parquet of each corpus' models: a panel a corpus, a line a model."""
    style = looks(list(labels))
    with figure(folder, "bounds", INCH_PAGE, 2.4 * len(studies) + 0.6) as drawn:
        grid = drawn.subplots(len(studies), 1, squeeze=False)
        for (corpus, models), (axes,) in zip(studies.items(), grid, strict=True):
            for study in models:
                rows = read_rows(study / "bounds.parquet")
                prior = rows[0]["prior"]
                axes.plot([row["k"] for row in rows], [row["nll"] for row in rows], label=labels[prior], **style[prior])
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.set_xlabel("importance samples K")
            axes.set_ylabel(f"NLL, {rows[0]['unit']}")
            axes.set_title(str(corpus), loc="left")
        drawn.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
