"""Training: the loop, and a run from its prepared corpus to its files (docs/paper.md 3b, 3e)."""

import time
from pathlib import Path
from typing import Any

import pyarrow
import torch

from lnf.corpora import loading
from lnf.corpora.loading import Corpus, Split, sorted_batches
from lnf.errors import UserError
from lnf.models.objectives import objective
from lnf.nn.linear import products_in
from lnf.plan.fitting import require_fitting
from lnf.plan.origin import origin_of, prepared_data, trained_definitions
from lnf.runs import checkpoint
from lnf.runs.keeper import Keeper
from lnf.runs.machine import device_of, settle
from lnf.runs.monitor import MONITOR
from lnf.runs.schedule import kl_weight
from lnf.runs.seeds import generator
from lnf.runs.state import State
from lnf.runs.totals import Diverged, Totals
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


def fit(state: State, corpus: Corpus, keeper: Keeper) -> str:
    """Train until the epochs or the learning rate end; returns why it stopped.

    A loss that is not finite goes back to the epoch's start with a smaller step; raises Diverged when that was done
    `max_rollbacks` times.
    """
    train, precision = state.train, state.spec.model.precision
    keeper.resume(state)
    while state.epoch < train.epochs:
        if state.plateau.learning_rate < train.min_learning_rate:
            return f"learning rate below {train.min_learning_rate:g}"
        try:
            for batch in state.rest_of_epoch(corpus.splits["train"]):
                with products_in(precision, state.device):
                    terms = state.model.terms(batch, train.elbo_samples, state.noise)
                    found = objective(terms, state.kl_weight, train.bound)
                loss = (found.loss_B / (batch.lengths_B + 1)).mean() / train.accumulate
                loss.backward()
                state.totals.add(found, batch)  # raises Diverged
                if state.batch % train.accumulate == 0:
                    norm = state.step()
                    keeper.between_steps(state, norm)
                keeper.report(state)
            state.end_epoch(validate(state, corpus.splits["valid"], keeper))
        except Diverged:
            keeper.roll_back(state)
        else:
            keeper.save_epoch(state)
    return "all epochs done"


def validate(state: State, valid: Split, keeper: Keeper) -> Totals:
    """The training objective on valid at this epoch's KL weight, with the same noise every epoch."""
    spec, train = state.spec, state.train
    totals, noise = Totals(), generator(state.device, spec.seed, "validation")
    state.judged.eval()
    with torch.no_grad():
        for rows in sorted_batches(valid, train.valid_batch):
            keeper.stop_if_asked(state)
            batch = valid.batch(rows, spec.kind).to(state.device)
            with products_in(spec.model.precision, state.device):
                terms = state.judged.terms(batch, train.elbo_samples, noise)
                found = objective(terms, kl_weight(train, state.epoch), train.bound)
            totals.add(found, batch)
    return totals


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
        state, keeper = State(spec, corpus.shape, device_of(spec.resources.gpus)), Keeper(out, context.digests)
        facts = _facts(state, corpus, context) | {"started": _started(out)}
        write_json(out / "state" / "run.json", {**facts, "status": "running"})
        try:
            status, stopped = "ok", fit(state, corpus, keeper)
        except Diverged:
            status, stopped = "diverged", f"loss not finite after {state.rollbacks} smaller steps"
        best = state.best_model or keeper.good(state.device)["model"]
        checkpoint.save(
            out / "model.pt",
            spec,
            corpus.shape,
            context.digests,
            facts["revision"],
            trained_definitions(spec),
            {name: value.cpu() for name, value in best.items()},
        )
        write_table(out / "history.parquet", pyarrow.Table.from_pylist(state.history, HISTORY))
        write_table(out / "monitor.parquet", pyarrow.Table.from_pylist(keeper.monitor.rows(), MONITOR))
        facts |= {
            "status": status,
            "stopped": stopped,
            "ended": time.time(),
            "wall_seconds": keeper.seconds,
            "epochs": state.epoch,
            "best_epoch": state.plateau.best_epoch,
            "best_valid_loss": state.plateau.best,
            "rollbacks": state.rollbacks,
        }
        write_json(out / "run.json", facts)
        keeper.progress.remove()


def _started(out: Path) -> float:
    """When the run began, in seconds since 1970: before a cut, if it goes on after one."""
    before = try_read_json(out / "state" / "run.json") or {}
    return float(before.get("started", time.time()))


def _facts(state: State, corpus: Corpus, context: RunContext) -> dict[str, Any]:
    spec = state.spec
    return {
        "name": context.name,
        "corpus": spec.corpus,
        "kind": spec.kind,
        "unit": corpus.shape.unit,
        "prior": spec.prior.name,
        "label": spec.prior.label,
        "role": spec.prior.role,
        "seed": spec.seed,
        "format": STORED_FORMAT,
        "spec": spec.to_dict(),
        "data": prepared_data(corpus.meta),
        "digests": context.digests,
        "differs_from_paper": context.differs,
        **origin_of(spec),
        "machine": provenance.machine(),
        "device": str(state.device),
        "threads": torch.get_num_threads(),
        "versions": provenance.versions(),
        "parameters": sum(parameter.numel() for parameter in state.model.parameters()),
    }
