"""All figures of a plan."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from lnf.plan.stages import FIGURE_FORMS, STAGES
from lnf.report.figures import comparison, curves, nats
from lnf.report.metrics import read_metrics
from lnf.report.outcomes import outcomes
from lnf.report.tables import on_test, read_published

Study = Mapping[str, Any]


def write_figures(
    metrics: str, published: str, runs: Sequence[Mapping[str, Any]], studies: Sequence[Study], out: Path
) -> None:
    """Draw the figures of metrics.parquet, of the runs' curves, and of the studies (stage, corpus, files) to `out`."""
    for old in (path for form in FIGURE_FORMS for path in out.glob(f"*.{form}")):
        old.unlink(missing_ok=True)  # an earlier, unfinished plan's may be of other corpora
    corpora = outcomes(read_metrics(Path(metrics)))
    comparison.draw(corpora, on_test(read_published(Path(published))), out)
    nats.draw(corpora, out)
    for corpus, mine in corpora.items():
        curves.draw(corpus, mine[0].unit, [run for run in runs if run["corpus"] == corpus], out)
    labels = {run["prior"]: run["label"] for run in runs}
    for stage, found in _made(studies).items():
        resolve_name(STAGES[stage].figure)(found, labels, out)


def _made(studies: Sequence[Study]) -> dict[str, dict[str | None, list[Path]]]:
    """Stage -> corpus -> the folders of the studies whose files are all there."""
    found: dict[str, dict[str | None, list[Path]]] = {}
    for study in studies:
        files = list(map(Path, study["files"]))
        if all(file.exists() for file in files):
            found.setdefault(study["stage"], {}).setdefault(study["corpus"], []).append(files[0].parent)
    return found
