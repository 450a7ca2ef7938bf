"""One training run from its prepared corpus to its files: model.pt, history.parquet, run.json."""

import time
from pathlib import Path
from typing import Any

import pyarrow
import torch

from lnf.corpora import loading
from lnf.errors import UserError
from lnf.plan.data_identity import prepared_data
from lnf.plan.fitting import require_fitting
from lnf.plan.origin import origin_of, trained_definitions
from lnf.runs import checkpoint
from lnf.runs.machine import settle
from lnf.runs.resume_state import RunState
from lnf.runs.totals import Diverged
from lnf.runs.trainer import Trainer
from lnf.spec import STORED_FORMAT, RunContext, Spec
from lnf.system import provenance
from lnf.system.files import try_read_json, write_json
from lnf.system.locks import run_lock
from lnf.system.sealed import write_table

HISTORY = pyarrow.schema(
    [("epoch", pyarrow.int32())]
    + [
        (name, pyarrow.float64())
        for name in (
            "beta",
            "learning_rate",
            "train_loss",
            "train_reconstruction",
            "train_kl",
            "valid_loss",
            "valid_reconstruction",
            "valid_kl",
            "valid_length",
        )
    ]
)
"""history.parquet, a row an epoch; losses in nats per (T + 1) summed over the split; kl empty for exact models."""


def train_run(spec: Spec, folder: Path, out: Path, context: RunContext) -> None:
    """Train one run into `out`: model.pt, history.parquet, run.json.

    A run that diverges for good is a result with status "diverged"; its model is the last one of finite loss.
    Raises UserError for settings or data that cannot be trained on, or if another process writes to `out`.
    """
    require_fitting(spec)
    settle(spec.resources.cpus)
    corpus = loading.load(folder, spec)
    if corpus.meta["digest"] != context.digests["data"]:
        raise UserError(
            f"data: {folder} is corpus {corpus.meta['digest']}, not {context.digests['data']};"
            " name with --data the one that is meant"
        )
    with run_lock(out):
        store = RunState(out / "state", context.digests)
        trainer = Trainer(spec, corpus, store, _device(spec))
        facts = _facts(trainer, context) | {"started": _started(out)}
        write_json(out / "state" / "run.json", {**facts, "status": "running"})
        try:
            status, stopped = "ok", trainer.fit()
        except Diverged:
            status, stopped = "diverged", f"loss not finite after {trainer.rollbacks} smaller steps"
        _leave_results(trainer, out, context, facts | {"status": status, "stopped": stopped})


def _leave_results(trainer: Trainer, out: Path, context: RunContext, facts: dict[str, Any]) -> None:
    spec, plateau = trainer.spec, trainer.plateau
    best = trainer.best_model or trainer.store.good(trainer.device)["model"]
    checkpoint.save(
        out / "model.pt",
        spec,
        trainer.corpus.shape,
        context.digests,
        facts["revision"],
        trained_definitions(spec),
        {name: value.cpu() for name, value in best.items()},
    )
    write_table(out / "history.parquet", pyarrow.Table.from_pylist(trainer.history, HISTORY))
    facts |= {
        "ended": time.time(),
        "wall_seconds": trainer.seconds,
        "epochs": trainer.epoch,
        "best_epoch": plateau.best_epoch,
        "best_valid_loss": plateau.best,
        "rollbacks": trainer.rollbacks,
    }
    write_json(out / "run.json", facts)
    trainer.store.remove()


def _started(out: Path) -> float:
    """When the run began, in seconds since 1970: before a cut, if it goes on after one."""
    before = try_read_json(out / "state" / "run.json") or {}
    return float(before.get("started", time.time()))


def _facts(trainer: Trainer, context: RunContext) -> dict[str, Any]:
    spec = trainer.spec
    return {
        "name": context.name,
        "corpus": spec.corpus,
        "kind": spec.kind,
        "prior": spec.prior.name,
        "label": spec.prior.label,
        "role": spec.prior.role,
        "seed": spec.seed,
        "format": STORED_FORMAT,
        "spec": spec.to_dict(),
        "data": prepared_data(trainer.corpus.meta),
        "digests": context.digests,
        "differs_from_paper": context.differs,
        **origin_of(spec),
        "machine": provenance.machine(),
        "device": str(trainer.device),
        "threads": torch.get_num_threads(),
        "versions": provenance.versions(),
        "parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
    }


def _device(spec: Spec) -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() and spec.resources.gpus != 0 else "cpu")
