"""Run directories as MLflow shows them.

Files are the truth: `sync` makes the store say what a run directory says, logging only what is new, and can be called
at any time, any number of times, by any process. Experiment NAME/CORPUS; a parent run PRIOR for each variant, below it
the runs PRIOR/SEED. The tag `lnf.key` is a run's identity; what is logged already is named in the tag `lnf.logged`,
written last.
"""

import json
import math
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas
from pandas import DataFrame

from lnf.errors import UserError
from lnf.kinds.base import kind_of
from lnf.plan.code_digests import sources
from lnf.spec import read_spec
from lnf.system.files import read_json, sha256_of, write_json
from lnf.tracking import ui
from lnf.tracking.mlflow_store import Entry, Point, Store, opened, without_secrets
from lnf.tracking.run_files import MILLISECONDS, RunFiles

SCORES = r"^(test|valid)\."
"""The metrics that are averaged over seeds: those of an evaluation, not the curves."""

COLUMNS = {
    "beta": "kl_weight", "gradient_norm": "gradient_norm_nats", "gradient_norm_max": "gradient_norm_max_nats",
    "step_seconds": "seconds_per_step",
}  # fmt: skip
"""Columns whose metric has another name."""

ENDED = {"ok": "FINISHED", "diverged": "FAILED", "error": "FAILED"}
MODEL_SEED = 0
"""The seed whose model is logged as one that MLflow loads."""
LOADER = "lnf.app.pyfunc"
DRAWING = {"seed": 0, "temperature": 1.0, "greedy": False}
"""What `predict` of a logged model takes, with its defaults."""
SAMPLES = "samples"
REPORT = "report.html"


def folders_of(name: str) -> list[Path]:
    """The run folders of a configuration, the latest last, since of one place it supersedes the others; then the folder
    of its report.
    """
    root, report = Path("results", name), Path("reports", "out", name)
    written: dict[Path, int] = {}
    for pattern, up in (("*/*/*/*/run.json", 0), ("*/*/*/*/state/run.json", 1)):
        for path in root.glob(pattern):
            with suppress(FileNotFoundError):  # a run that ends removes its state
                written[path.parents[up]] = path.stat().st_mtime_ns
    return [*sorted(written, key=lambda run: written[run]), *([report] if (report / REPORT).exists() else [])]


def sync_all(name: str, models: str = "first") -> tuple[int, int]:
    """Mirror every run of a configuration's results, and its report; the models of first seeds, or of all.

    Returns how many were mirrored, and of how many. Raises UserError without results.
    """
    if not Path("results", name).is_dir():
        raise UserError(f"sync: {Path('results', name)}: no such folder; its runs have not been trained here")
    folders = folders_of(name)
    return sum(try_sync(folder, models) for folder in folders), len(folders)


def try_sync(run_dir: Path, models: str = "first") -> bool:
    """`sync`, but a failure is one line on stderr: MLflow is a mirror and never fails a run. Whether it succeeded."""
    try:
        sync(run_dir, models)
    except Exception as problem:  # MLflow's, SQLAlchemy's, urllib3's, the file system's, the lock's: all alike here
        reason = without_secrets((str(problem).strip() or type(problem).__name__).splitlines()[0])
        print(f"lnf: warning: MLflow: {run_dir} not mirrored ({reason})", file=sys.stderr, flush=True)
        return False
    return True


def sync(run_dir: Path, models: str = "first") -> None:
    """Make MLflow show what a run directory, or the folder of a report, says now. Does nothing for another folder.

    `models`: "first" logs the model of a variant's first seed as one that MLflow loads, "all" that of every seed.
    """
    if (run_dir / REPORT).exists():
        _sync_report(run_dir)
        return
    files = RunFiles.read(run_dir)
    if files is None:
        return
    with opened() as store:
        facts = files.facts
        note = f"{facts['corpus']}, configuration {facts['name']}: a run for each variant, below it one for each seed."
        unit = (facts.get("unit") or kind_of(facts["kind"]).unit_for()).replace("/", "_per_")
        split = "test" if facts["spec"].get("evaluate", {}).get("test", True) else "valid"
        tags = {**ui.tags(unit, split), "lnf.unit": unit}
        experiment = store.experiment(f"{facts['name']}/{facts['corpus']}", note, tags)
        run = _one_of(store, experiment, files)
        if run is not None and _logged(run)["history"] != files.history_digest(_logged(run)["epochs"]):
            store.delete(run.id)  # the run went back to an earlier state: its curve is another one now
            run = None
        current = run is None or run.tags.get("lnf.status") != "superseded"
        if run is None:
            run = _create(store, experiment, files)
        parent = variant_of(store, experiment, files, current).id
        moved = run.tags.get("mlflow.parentRunId") != parent
        if moved:  # the variant's run was deleted in MLflow's page
            store.log(run.id, tags={"mlflow.parentRunId": parent})
        with_model = models == "all" or files.facts["seed"] == MODEL_SEED
        if _log(store, experiment, run, files, with_model) or moved:
            sync_variant(store, experiment, files)
        _leave_address(run_dir, experiment, run)


def _one_of(store: Store, experiment: str, files: RunFiles) -> Entry | None:
    """The run of a run directory, None if MLflow has none. All others of its place, and further ones with its key, as
    after an experiment was restored, are superseded by it.
    """
    of_place = store.runs(experiment, "lnf.run", files.place)
    mine = [run for run in of_place if run.tags.get("lnf.key") == files.key]
    ranked = sorted(mine, key=lambda run: (run.tags.get("lnf.status") != "superseded", run.ended_ms or 0))
    for other in of_place:
        if other not in ranked[-1:] and other.tags.get("lnf.status") != "superseded":
            store.log(other.id, tags={"lnf.status": "superseded"})
    return ranked[-1] if ranked else None


def _create(store: Store, experiment: str, files: RunFiles) -> Entry:
    """A new run with its params and tags."""
    parent = variant_of(store, experiment, files, current=True)
    logged = {"epochs": 0, "history": files.history_digest(0), "artifacts": {}}
    tags = {**files.tags, "mlflow.parentRunId": parent.id, "lnf.status": "running", "lnf.logged": json.dumps(logged)}
    name = f"{files.facts['prior']}/{files.facts['seed']}"
    run = store.create(experiment, name, files.started_ms, tags, files.params)
    data = Path(files.job.get("data", ""))
    profile = read_json(data / "meta.json")["counts"] if (data / "meta.json").exists() else {}
    store.dataset(run.id, files.facts["corpus"], files.facts["digests"]["data"], str(data), profile)
    return run


def _logged(run: Entry) -> dict[str, Any]:
    logged: dict[str, Any] = json.loads(run.tags["lnf.logged"])
    return logged


def _log(store: Store, experiment: str, run: Entry, files: RunFiles, with_model: bool) -> bool:
    """Log what is new since the last sync, and what MLflow no longer has, then say so in `lnf.logged`; whether anything
    was logged.
    """
    logged, status = _logged(run), files.status
    artifacts = files.artifacts | _samples(files)
    there = store.artifacts(run.id)
    logged["artifacts"] = {name: content for name, content in logged["artifacts"].items() if name in there}
    logged["model"] = bool(logged.get("model")) and store.has_model(experiment, run.id)
    model = status == "ok" and with_model
    now = {"epochs": len(files.history), "history": files.history_digest(len(files.history)), "artifacts": artifacts,
           "model": model}  # fmt: skip
    if now == logged and run.tags["lnf.status"] == status:
        return False
    # A deterministic time: the same value logged twice, after a kill in between, is one point of the curve.
    points = list(_curves(files, logged["epochs"], run.started_ms))
    if logged["artifacts"].get(files.evaluated) != artifacts.get(files.evaluated):
        points += _evaluation(files.evaluation, run.started_ms)
    for name, content in artifacts.items():
        if logged["artifacts"].get(name) != content:
            _artifact(store, run, files, name)
    if model and not logged["model"]:
        _model(store, experiment, run, files)
    store.log(run.id, points, {"lnf.status": status, "lnf.logged": json.dumps(now)})
    if status in ENDED:
        store.end(run.id, ENDED[status], files.ended_ms)
    elif run.status != "RUNNING":
        store.go_on(run.id)
    return True


def _samples_folder(files: RunFiles) -> Path:
    facts = files.facts
    return Path("reports", "out", facts["name"], SAMPLES, facts["corpus"], facts["prior"], str(facts["seed"]))


def _samples(files: RunFiles) -> dict[str, str]:
    """What the run's samples view shows (text, pictures, audio), if it is this run's: name -> digest."""
    folder = _samples_folder(files)
    mark = folder / "run.json"
    if not mark.exists() or read_json(mark)["digests"] != files.facts["digests"]:
        return {}
    return {f"{SAMPLES}/{path.name}": sha256_of(path) for path in sorted(folder.iterdir()) if path != mark}


def _artifact(store: Store, run: Entry, files: RunFiles, name: str) -> None:
    if name.startswith(f"{SAMPLES}/"):
        store.artifact(run.id, _samples_folder(files) / Path(name).name, SAMPLES)
    else:
        store.artifact(run.id, files.folder / name)


def _model(store: Store, experiment: str, run: Entry, files: RunFiles) -> None:
    """Log the model with the versions that it was trained with."""
    if not (files.folder / "model.pt").exists():
        return
    versions = files.facts["versions"]
    needs = [
        f"{name}=={versions[name].partition('+')[0]}" for name in ("torch", "numpy", "pyarrow") if name in versions
    ]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "data")
        folder.mkdir()
        (folder / "model.pt").write_bytes((files.folder / "model.pt").read_bytes())
        store.model(experiment, run.id, folder, LOADER, _code(files), needs, DRAWING)


def _code(files: RunFiles) -> list[Path]:
    """The packages and modules that the model needs: lnf, and a user's own."""
    spec = read_spec(files.facts["spec"], files.facts.get("format"))
    return [Path(__file__).parents[1], *sources().user_sources("train", spec.paths)]


def _curves(files: RunFiles, start: int, started_ms: int) -> Iterator[Point]:
    """A point per epoch and column; columns that a model does not have (null) are left out."""
    for row in files.history[start:]:
        for key, value in {**row, **files.monitor.get(row["epoch"], {})}.items():
            if key != "epoch" and value is not None:
                yield Point(curve_name(key), value, started_ms + row["epoch"], row["epoch"])


def curve_name(column: str) -> str:
    """The metric of a column of history.parquet or monitor.parquet, its unit in its name: losses are in nats per step,
    T + 1 of a sequence.
    """
    if column.startswith(("train_", "valid_")):
        return f"epoch.{column}_nats_per_step"
    return f"epoch.{COLUMNS.get(column, column)}"


def _evaluation(rows: list[dict[str, Any]], started_ms: int) -> Iterator[Point]:
    """One number per split and metric, its unit in its name (`test.nll_bpc`, `valid.kl_nats_per_step`), and the share
    of the KL in the negative ELBO.
    """
    found = {(row["split"], row["metric"]): row for row in rows if row["value"] is not None}
    for (split, metric), row in found.items():
        if math.isfinite(row["value"]):
            yield Point(f"{split}.{metric}_{row['unit'].replace('/', '_per_')}", row["value"], started_ms, 0)
    for split in dict.fromkeys(split for split, _ in found):
        kl, elbo = (found.get((split, metric), {}).get("value") for metric in ("kl", "elbo"))
        if kl is not None and elbo:
            yield Point(f"{split}.kl_share", kl / elbo, started_ms, 0)


def _sync_report(out: Path) -> None:
    """One run NAME/report in the experiment NAME, with the page, the configuration, the tables and the figures."""
    name = out.name
    files = {
        str(path.relative_to(out)): path
        for place in (REPORT, "config.yaml", "tables/*", "figures/*.png")
        for path in out.glob(place)
    }
    digests = {place: sha256_of(path) for place, path in sorted(files.items())}
    with opened() as store:
        note = f"The report of configuration {name}: its page, tables and figures."
        experiment = store.experiment(name, note, ui.KIND)
        found = store.runs(experiment, "lnf.key", f"{name}/report")
        written_ms = int((out / REPORT).stat().st_mtime * MILLISECONDS)
        tags = {"lnf.key": f"{name}/report", "lnf.kind": "report", "mlflow.source.type": "LOCAL",
                "mlflow.source.name": str(out / REPORT), "lnf.logged": "{}"}  # fmt: skip
        run = found[0] if found else store.create(experiment, f"{name}/report", written_ms, tags, {})
        there = store.artifacts(run.id)
        logged = {place: digest for place, digest in json.loads(run.tags["lnf.logged"]).items() if place in there}
        for place, path in files.items():
            if logged.get(place) != digests[place]:
                store.artifact(run.id, path, str(Path(place).parent) if "/" in place else None)
        if logged != digests:
            store.log(run.id, tags={"lnf.logged": json.dumps(digests)})
            store.end(run.id, "FINISHED", written_ms)


def _leave_address(run_dir: Path, experiment: str, run: Entry) -> None:
    """Leave the run's address in MLflow's page next to its files, for the report to link to."""
    address = {"address": ui.run_address(experiment, run.id)}
    file = run_dir / "mlflow.json"
    if run_dir.exists() and (not file.exists() or read_json(file) != address):
        write_json(file, address)


def variant_of(store: Store, experiment: str, files: RunFiles, current: bool = False) -> Entry:
    """The parent run of a run's variant, which is made if it is not there, or if its settings are no longer those of a
    run that is `current`: MLflow changes no param.
    """
    found = store.runs(experiment, "lnf.key", files.variant)
    for outdated in [one for one in found if current and one.params != files.shared_params]:
        store.delete(outdated.id)
        found.remove(outdated)
    if found:
        return found[0]
    facts, tags = files.facts, files.tags
    kept = ("lnf.role", "lnf.label", "lnf.variant", "mlflow.user", "mlflow.source.type", "mlflow.source.name")
    note = f"**{facts['label']}** on {facts['corpus']}: mean over seeds; `..._sd` is the standard deviation (n-1)."
    own = {"lnf.key": files.variant, "lnf.kind": "variant", "mlflow.note.content": note}
    shared = {key: tags[key] for key in kept if key in tags}
    return store.create(experiment, facts["prior"], files.started_ms, {**shared, **own}, files.shared_params)


def sync_variant(store: Store, experiment: str, files: RunFiles) -> None:
    """Make the parent say what its seeds say now: those that are superseded do not count."""
    parent = variant_of(store, experiment, files)
    seeds = [run for run in store.runs(experiment, "lnf.variant", files.variant) if run.tags.get("lnf.kind") == "run"]
    seeds = list({run.tags["lnf.key"]: run for run in seeds if run.tags["lnf.status"] != "superseded"}.values())
    now = int(time.time() * MILLISECONDS)
    store.log(parent.id, [Point(key, value, now, 0) for key, value in _summary(seeds).items()])
    for run in seeds:
        if run.tags.get("mlflow.parentRunId") != parent.id:  # its settings changed, so that it is another run
            store.log(run.id, tags={"mlflow.parentRunId": parent.id})
    if all(run.ended_ms for run in seeds):
        status = "FINISHED" if all(run.status == "FINISHED" for run in seeds) else "FAILED"
        lasted = sum((run.ended_ms or 0) - run.started_ms for run in seeds)
        store.end(parent.id, status, parent.started_ms + lasted)  # its duration is what all seeds took


def _summary(seeds: Sequence[Entry]) -> dict[str, float]:
    scored = [run.metrics for run in seeds if any(re.match(SCORES, key) for key in run.metrics)]
    values = DataFrame(scored).filter(regex=SCORES)
    summary = pandas.concat([values.mean(), values.std().dropna().add_suffix("_sd")])
    return {"seeds": len(scored), **{str(name): float(value) for name, value in summary.items()}}
