"""All figures of a plan."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lnf.report.figures import bounds, curves, modes, nats, results, speed, toy
from lnf.report.gather import read_metrics
from lnf.report.outcomes import outcomes
from lnf.report.published import read_published
from lnf.report.showing import showing

LAST = {"toy": "nll.parquet", "speed": "speed.json", "modes": "modes.json", "bounds": "bounds.parquet"}
"""Study -> the file that is written last: where it is, the rest is."""


def write_figures(told: Mapping[str, Any]) -> None:
    """Write the figures that `lnf.plan.views.figures` names. `told` is `lnf.plan.results.Plan.told_to_views`."""
    corpora = outcomes(read_metrics(Path(told["metrics"])))
    published = {
        (key.corpus, key.prior, key.metric): number
        for key, number in read_published(Path(told["published"])).items()
        if key.split == "test"
    }
    with showing("figures", told) as out:
        folder = out / "figures"
        shutil.rmtree(folder, ignore_errors=True)  # those of another plan may be of other corpora
        results.draw(corpora, published, folder)
        nats.draw(corpora, folder)
        for corpus in corpora:
            curves.draw(corpus, [run for run in told["runs"] if run["corpus"] == corpus], folder)
        _draw_studies(told, folder)
    print(f"lnf: figures in {folder}", flush=True)


def _draw_studies(told: Mapping[str, Any], folder: Path) -> None:
    """The figures of those studies that are there."""
    there = [study for study in told["studies"] if (Path(study["folder"]) / LAST[study["stage"]]).exists()]
    labels = {run["prior"]: run["label"] for run in told["runs"]}
    places: dict[str, dict[str, list[Path]]] = {"speed": {}, "bounds": {}}
    for study in there:
        if study["stage"] in places:
            places[study["stage"]].setdefault(study["corpus"], []).append(Path(study["folder"]))
    if places["speed"]:
        speed.draw({corpus: folders[0] for corpus, folders in places["speed"].items()}, labels, folder)
    if places["bounds"]:
        bounds.draw(places["bounds"], labels, folder)
    for study in there:
        if study["stage"] == "toy":
            toy.draw(Path(study["folder"]), folder)
        if study["stage"] == "modes":
            modes.draw(study["corpus"], Path(study["folder"]), folder)
