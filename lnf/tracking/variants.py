"""A variant as a parent run: its seeds below it, their mean and spread on it."""

import re
import time
from collections.abc import Sequence

import pandas
from pandas import DataFrame

from lnf.tracking.files import MILLISECONDS, RunFiles
from lnf.tracking.store import Entry, Point, Store

SCORES = r"^(test|valid)\."
"""The metrics that are averaged over seeds: those of an evaluation, not the curves."""


def variant_of(store: Store, experiment: str, files: RunFiles) -> Entry:
    """The parent run of a run's variant, which is made if it is not there."""
    found = store.runs(experiment, "lnf.key", files.variant)
    if found:
        return found[0]
    facts, tags = files.facts, files.tags
    kept = ("lnf.role", "lnf.label", "lnf.variant", "mlflow.user", "mlflow.source.type", "mlflow.source.name")
    note = f"**{facts['label']}** on {facts['corpus']}: mean over seeds; `..._sd` is the standard deviation (n-1)."
    own = {"lnf.key": files.variant, "lnf.kind": "variant", "mlflow.note.content": note}
    shared = {key: tags[key] for key in kept if key in tags}
    return store.create(experiment, facts["prior"], files.started_ms, {**shared, **own}, {"prior": facts["prior"]})


def sync_variant(store: Store, experiment: str, files: RunFiles) -> None:
    """Make the parent say what its seeds say now: those that are superseded do not count."""
    parent = variant_of(store, experiment, files)
    seeds = [run for run in store.runs(experiment, "lnf.variant", files.variant) if run.tags.get("lnf.kind") == "run"]
    seeds = list({run.tags["lnf.key"]: run for run in seeds if run.tags["lnf.status"] != "superseded"}.values())
    now = int(time.time() * MILLISECONDS)
    store.log(parent.id, [Point(key, value, now, 0) for key, value in _summary(seeds).items()])
    ends = [run.ended_ms for run in seeds]
    if all(ends):
        status = "FINISHED" if all(run.status == "FINISHED" for run in seeds) else "FAILED"
        store.end(parent.id, status, max(end for end in ends if end))


def _summary(seeds: Sequence[Entry]) -> dict[str, float]:
    scored = [run.metrics for run in seeds if any(re.match(SCORES, key) for key in run.metrics)]
    values = DataFrame(scored).filter(regex=SCORES)
    summary = pandas.concat([values.mean(), values.std().dropna().add_suffix("_sd")])
    return {"seeds": len(scored), **{str(name): float(value) for name, value in summary.items()}}
