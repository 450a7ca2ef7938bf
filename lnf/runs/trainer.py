"""The training loop of one run, and the state that it resumes from (docs/paper.md 3b, 3e)."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lnf.corpora import loading
from lnf.corpora.batches import SequenceBatch
from lnf.corpora.loading import shuffled_batches, sorted_batches, transposed
from lnf.errors import Stopped
from lnf.models.base import SequenceModel, build_model
from lnf.models.objectives import objective
from lnf.nn.dropout import Dropout
from lnf.nn.precision import products_in
from lnf.runs.resume_state import RunState, State
from lnf.runs.schedule import Plateau, batch_kl_weight, kl_weight
from lnf.runs.seeds import derive, generator
from lnf.runs.stop_request import asked_to_stop, take_back
from lnf.runs.totals import Diverged, Totals, finite
from lnf.spec import Spec, TrainSpec


@dataclass
class Trainer:
    """One run in this process. `fit` trains to the end; `state` is all that a resumed run needs."""

    spec: Spec
    corpus: loading.Corpus
    store: RunState
    device: torch.device
    model: SequenceModel = field(init=False)
    judged: SequenceModel = field(init=False)
    """The model that is validated and kept: the one that is trained, or the average of its weights over the steps."""
    average: AveragedModel | None = field(init=False, default=None)
    optimizer: torch.optim.Optimizer = field(init=False)
    plateau: Plateau = field(init=False)
    best_model: dict[str, Tensor] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    epoch: int = 0
    rollbacks: int = 0
    seconds_before: float = 0.0

    def __post_init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(derive(self.spec.seed, "initialisation"))
            self.model = build_model(self.spec, self.corpus.shape).to(self.device)
        self.judged = self.model
        if self.train.average > 0:
            self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(self.train.average))
            assert isinstance(self.average.module, SequenceModel)
            self.judged = self.average.module
        self.plateau = Plateau(self.train.learning_rate)
        self.optimizer = self._new_optimizer()
        self.noise = generator(self.device, self.spec.seed, "noise", 0)
        self.dropout = generator(self.device, self.spec.seed, "dropout", 0)
        for module in self.model.modules():
            if isinstance(module, Dropout):
                module.generator = self.dropout
        self.started = time.monotonic()
        self.saved = time.monotonic()

    @property
    def train(self) -> TrainSpec:
        """The spec's training settings."""
        return self.spec.train

    def fit(self) -> str:
        """Train until the epochs or the learning rate end; returns why it stopped.

        A non-finite loss goes back to the epoch's start with a smaller step; raises Diverged when that was done
        `max_rollbacks` times.
        """
        state = self.store.resume(self.device)
        if state is None:
            self.store.save(self.state(), "epoch.pt")
            self.totals, self.first_batch = Totals(), 0
        else:
            self._load(state)
        while self.epoch < self.train.epochs:
            if self.plateau.learning_rate < self.train.min_learning_rate:
                return f"learning rate below {self.train.min_learning_rate:g}"
            try:
                self._epoch()
            except Diverged:
                self._roll_back()
        return "all epochs done"

    def state(self) -> State:
        """Everything that the next batch depends on."""
        return {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "plateau": self.plateau.to_dict(),
            "best_model": self.best_model,
            "history": self.history,
            "rollbacks": self.rollbacks,
            "seconds": self.seconds,
        }

    @property
    def seconds(self) -> float:
        """Wall time of the run so far, interruptions left out."""
        return self.seconds_before + time.monotonic() - self.started

    def _load(self, state: State) -> None:
        self.epoch, self.rollbacks = state["epoch"], state["rollbacks"]
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.plateau = Plateau(**state["plateau"])
        self.optimizer = self._new_optimizer()
        self.optimizer.load_state_dict(state["optimizer"])
        self.best_model, self.history = state["best_model"], state["history"]
        self.seconds_before, self.started = state["seconds"], time.monotonic()
        self.totals, self.first_batch = Totals(**state.get("totals", {})), state.get("batch", 0)
        if self.first_batch > 0:
            self.noise.set_state(state["noise"].cpu())
            self.dropout.set_state(state["dropout"].cpu())

    def _epoch(self) -> None:
        order = generator(torch.device("cpu"), self.spec.seed, "order", self.epoch)
        split = self._training_split()
        batches = shuffled_batches(split, self.train.batch, self.train.pool_batches, order)
        if self.first_batch == 0:
            self.noise.manual_seed(derive(self.spec.seed, "noise", self.epoch, self.rollbacks))
            self.dropout.manual_seed(derive(self.spec.seed, "dropout", self.epoch, self.rollbacks))
        self.model.train()
        self.optimizer.zero_grad()
        for index in range(self.first_batch, len(batches)):
            self._step(index, split.batch(batches[index], self.spec.kind).to(self.device), len(batches))
        self.optimizer.zero_grad()  # the rest of an accumulation group is dropped, as in the authors' code
        valid = self.validate(lambda: self._stop_if_asked(len(batches)))
        outcome = self.plateau.update(self.train, self.epoch, finite(valid.per_token("loss")))
        self._record(valid)
        if outcome == "best":
            self.best_model = {name: value.detach().clone() for name, value in self.judged.state_dict().items()}
            if not all(parameter.isfinite().all() for parameter in self.model.parameters()):
                raise Diverged
        elif outcome == "decay":
            self._decay()
        self.epoch += 1
        self.totals, self.first_batch = Totals(), 0
        self.store.save(self.state(), "epoch.pt")

    def _training_split(self) -> loading.Split:
        """What this epoch trains on: with transposition, each sequence in a key of the epoch's."""
        split, semitones = self.corpus.splits["train"], self.train.transpose
        if semitones == 0:
            return split
        keys = generator(torch.device("cpu"), self.spec.seed, "transpose", self.epoch)
        return transposed(split, semitones, keys)

    def _step(self, index: int, batch: SequenceBatch, batches: int) -> None:
        beta = batch_kl_weight(self.train, self.epoch, index, batches)
        with products_in(self.spec.model.precision, self.device):
            terms = self.model.terms(batch, self.train.elbo_samples, self.noise)
            found = objective(terms, beta, self.train.bound)
        loss = (found.loss_B / (batch.lengths_B + 1)).mean() / self.train.accumulate
        loss.backward()
        self.totals.add(found, batch)
        finite(self.totals.loss)
        if (index + 1) % self.train.accumulate == 0:
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.train.clip)
            finite(float(norm))
            self.optimizer.step()
            self.optimizer.zero_grad()
            if self.average is not None:
                self.average.update_parameters(self.model)
            self._stop_if_asked(index + 1)
            if time.monotonic() - self.saved > 60 * self.train.state_minutes:
                self._save_inside_epoch(index + 1)
        self._report(index + 1, batches)

    def _stop_if_asked(self, next_batch: int) -> None:
        if asked_to_stop(self.store.folder.parent):
            self._save_inside_epoch(next_batch)
            take_back(self.store.folder.parent)
            raise Stopped(f"{self.spec.key}: stopped in epoch {self.epoch + 1}; the same command goes on from there")

    def _save_inside_epoch(self, next_batch: int) -> None:
        inside = {
            "batch": next_batch,
            "totals": vars(self.totals),
            "noise": self.noise.get_state(),
            "dropout": self.dropout.get_state(),
        }
        self.store.save({**self.state(), **inside}, "step.pt")
        self.saved = time.monotonic()

    def validate(self, between: Callable[[], None] = lambda: None) -> Totals:
        """The training objective on valid at this epoch's KL weight, with the same noise every epoch; `between` is
        called before each batch.
        """
        self.judged.eval()
        noise = generator(self.device, self.spec.seed, "validation")
        totals, split = Totals(), self.corpus.splits["valid"]
        beta = kl_weight(self.train, self.epoch)
        with torch.no_grad():
            for rows in sorted_batches(split, self.train.valid_batch):
                between()
                batch = split.batch(rows, self.spec.kind).to(self.device)
                with products_in(self.spec.model.precision, self.device):
                    terms = self.judged.terms(batch, self.train.elbo_samples, noise)
                    found = objective(terms, beta, self.train.bound)
                totals.add(found, batch)
        return totals

    def _record(self, valid: Totals) -> None:
        row: dict[str, Any] = {
            "epoch": self.epoch,
            "beta": kl_weight(self.train, self.epoch),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
        }
        row |= {f"train_{name}": self.totals.per_token(name) for name in ("loss", "reconstruction", "kl")}
        row |= {f"valid_{name}": valid.per_token(name) for name in ("loss", "reconstruction", "kl", "length")}
        self.history.append(row)

    def _decay(self) -> None:
        if self.train.on_decay == "reset":
            self.optimizer = self._new_optimizer()
        for group in self.optimizer.param_groups:
            group["lr"] = self.plateau.learning_rate

    def _roll_back(self) -> None:
        rollbacks = self.rollbacks + 1
        if rollbacks > self.train.max_rollbacks:
            raise Diverged
        state = self.store.good(self.device)
        here = (self.epoch, self.rollbacks)
        self._load(state)
        if (self.epoch, self.rollbacks) != here:
            return  # the state of this epoch is damaged: train up to here again, to diverge again
        self.rollbacks = rollbacks
        self.plateau.learning_rate *= self.train.rollback_factor
        for group in self.optimizer.param_groups:
            group["lr"] = self.plateau.learning_rate
        rate = self.plateau.learning_rate
        print(f"{self.spec.key}: epoch {self.epoch}: loss not finite; again with learning rate {rate:g}", flush=True)
        self.store.save(self.state(), "epoch.pt")

    def _new_optimizer(self) -> torch.optim.Optimizer:
        rate, decay = self.plateau.learning_rate, self.train.weight_decay
        if self.train.optimizer == "sgd":
            return torch.optim.SGD(self.model.parameters(), lr=rate, weight_decay=decay)
        return torch.optim.AdamW(self.model.parameters(), lr=rate, weight_decay=decay, fused=True)

    def _report(self, batches_done: int, batches: int) -> None:
        fraction = (self.epoch + batches_done / batches) / self.train.epochs
        nll = self.history[-1]["valid_loss"] if self.history else finite(self.totals.per_token("loss"))
        message = f"epoch {self.epoch + 1}/{self.train.epochs} loss {nll:.3f} nats"
        self.store.progress(message, fraction, self.seconds, epoch=self.epoch + 1)
