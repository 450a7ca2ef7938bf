"""A finished plan on text and music, its result files made up: what views are drawn from, in a second."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from lnf.corpora import store
from lnf.corpora.sources.base import SPLITS, RawCorpus
from lnf.plan import config
from lnf.plan.jobs import Job
from lnf.plan.origin import prepared_data
from lnf.plan.results import Plan
from lnf.plan.run import Run
from lnf.report.frames import write_csv
from lnf.report.measured.archive import SPEED, Kept
from lnf.report.metrics import METRICS
from lnf.runs.evaluation import EVALUATION
from lnf.runs.training import HISTORY
from lnf.spec import STORED_FORMAT
from lnf.system.files import read_json, write_json
from lnf.system.sealed import write_table

SELECT = {"corpora": ["markov", "chorales"], "priors": ["lstm", "af_af"], "seeds": [0, 1]}
NLL = {"lstm": 1.50, "af_af": 1.60}
"""Bits or nats, of seed 0; seed 1 has 0.01 more."""
LIMIT = 1.25
TEST = 40
"""Test sequences."""
FACTS = {
    "status": "ok", "stopped": "all epochs done", "revision": "0123456789abcdef0123456789abcdef01234567+",
    "device": "cpu",
    "threads": 1, "machine": {"system": "Linux", "processor": "a processor", "cores": 2}, "parameters": 1234,
    "versions": {"python": "3.11.7", "torch": "2.13.0"}, "wall_seconds": 90.0, "epochs": 3, "best_epoch": 2,
    "differs_from_paper": {"train.epochs": [3, 100]}, "best_valid_loss": 1.0,
}  # fmt: skip


def plan_of(**changes: Any) -> Plan:
    """The plan, nothing of it there."""
    return Plan(
        config.load(config.merge(config.read(), {"name": "small", "select": SELECT, "bounds": None, **changes}))
    )


def keep(folder: Path, rows: Iterable[Mapping[str, Any]], speed: Iterable[Mapping[str, Any]] = ()) -> Kept:
    """A configuration as it is kept, with no run of its own: its metrics, and its times of sampling."""
    write_json(folder / "plan.json", {"name": folder.name, "note": "", "options": {}, "runs": []})
    write_csv(folder / "references.csv", METRICS.names, rows)
    write_csv(folder / "speed.csv", SPEED, speed)
    return Kept(folder)


def finish(plan: Plan, revision: str = FACTS["revision"]) -> None:
    """Make up every corpus and every run of a plan, as if a revision had made them."""
    for name, corpus in plan.corpora.items():
        kind = next(run.spec.kind for run in plan.runs if run.spec.corpus == name)
        _prepare(corpus, kind)
    for run in plan.runs:
        finish_run(run, revision=revision)


def sequences(kind: str, n: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Texts over a to d with up to 8 letters, or rolls with up to 11 steps."""
    rng = np.random.default_rng(seed)
    if kind == "text":
        return [rng.integers(0, 4, rng.integers(1, 9)).astype(np.uint8) for _ in range(n)]
    return [(rng.random((rng.integers(3, 12), 88)) < 0.06).astype(np.uint8) for _ in range(n)]


def finish_run(run: Run, **facts: Any) -> None:
    """Make up what a run leaves: facts, curve, metrics, scores, samples."""
    run.folder.mkdir(parents=True, exist_ok=True)
    _history(run)
    _evaluation(run)
    drawn = sequences(run.spec.kind, 6, run.spec.seed + 1)
    back = [] if run.spec.prior.name == "lstm" else [drawn[4]]
    columns = {
        "what": ["sample"] * 4 + ["original"] * len(back) + ["reconstruction"] * len(back),
        "x": store.to_lists([*drawn[:4], *back, *back], run.spec.kind, 4),
    }
    write_table(run.evaluated[2], pyarrow.table(columns))
    place = {"name": run.context.name, "corpus": run.spec.corpus, "prior": run.spec.prior.name, "seed": run.spec.seed}
    people = {"label": run.spec.prior.label, "kind": run.spec.kind, "spec": run.spec.to_dict()}
    data = prepared_data(read_json(run.data / "meta.json"))
    stored = {"format": STORED_FORMAT, "data": data, "digests": run.context.digests}
    write_json(run.folder / "run.json", {**FACTS, **stored, **place, **people, **facts})


def _prepare(corpus: Job, kind: str) -> None:
    raw = RawCorpus(
        {split: sequences(kind, TEST, n) for n, split in enumerate(SPLITS)}, list("ab d") if kind == "text" else None
    )
    numbers = {
        "nll": LIMIT * float(np.log(2)),
        "nll_given_length": 1.0,
    }
    meta = {
        "digest": corpus.digest, "raw": {},
        "kind": kind, "vocabulary": raw.vocabulary, "longest": 12, "settings": corpus.arguments["settings"],
        "source": {"test": numbers} if kind == "text" else {},
        "counts": {"test": {"sequences": TEST, "steps": 5 * TEST}},
    }  # fmt: skip
    store.write(corpus.folder, raw, meta)


def _history(run: Run) -> None:
    rows = [{field.name: 1.0 / (n + 1) for field in HISTORY} | {"epoch": n} for n in range(3)]
    if run.spec.prior.name == "lstm":
        rows = [row | {"train_kl": None, "valid_kl": None} for row in rows]
    write_table(run.folder / "history.parquet", pyarrow.Table.from_pylist(rows, HISTORY))


def _evaluation(run: Run) -> None:
    exact = run.spec.prior.name == "lstm"
    unit = "bpc" if run.spec.kind == "text" else "nats/step"
    nll = NLL[run.spec.prior.name] + 0.01 * run.spec.seed
    terms = {"nll": nll, "nll_given_length": nll - 0.2, "length": 0.2}
    if not exact:
        terms |= {"elbo": nll + 0.1, "reconstruction": 0.3, "kl": nll - 0.4}
    how: dict[str, Any] = {"estimator": "exact" if exact else "importance", "k": None if exact else 3, "n": TEST}
    rows = [{"split": split, "metric": metric, "unit": unit, "value": value, **how}
            for split in ("valid", "test") for metric, value in terms.items()]  # fmt: skip
    whose = {"run": run.digest, "evaluation": run.evaluation, "status": "ok"}
    table = pyarrow.Table.from_pylist(rows, EVALUATION).replace_schema_metadata(whose)
    write_table(run.evaluated[0], table)
    lengths = [len(x) for x in sequences(run.spec.kind, TEST, 2)]
    nats = nll * (float(np.log(2)) if run.spec.kind == "text" else 1.0)
    wobble = np.random.default_rng(0 if exact else 1).normal(0, 0.1, TEST)
    scores = [{"split": "test", "index": n, "length": length, "log_prob": -nats * (length + 1) + wobble[n]}
              for n, length in enumerate(lengths)]  # fmt: skip
    write_table(run.evaluated[1], pyarrow.Table.from_pylist(scores))
