"""Everything of a training run that changes: weights, optimiser, schedules, noise, totals and history."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lnf.corpora.batches import CorpusShape, SequenceBatch
from lnf.corpora.loading import Split, shuffled_batches, transposed
from lnf.models.base import SequenceModel, build_model
from lnf.nn.dropout import Dropout
from lnf.runs.schedule import Plateau, batch_kl_weight, kl_weight
from lnf.runs.seeds import derive, generator
from lnf.runs.totals import Diverged, Totals, finite
from lnf.spec import Spec

Saved = dict[str, Any]
"""A state as plain values and tensors, for a file."""
PLAIN = ("epoch", "batch", "rollbacks", "history", "best_model")
"""Attributes that are saved as they are."""
CPU = torch.device("cpu")


class State:
    """A run at some batch of some epoch; the next batch depends on nothing else.

    Arguments: spec, shape of the corpus, device.

    Attributes:
        epoch: the epoch that is trained, from 0.
        batch: how many of its batches were taken.
        batches: how many it has; 0 before its first.
        totals: of its batches so far.
        judged: the model that is validated and kept: the one that is trained, or the average of its weights over steps.
    """

    def __init__(self, spec: Spec, shape: CorpusShape, device: torch.device) -> None:
        self.spec, self.train, self.device = spec, spec.train, device
        with torch.random.fork_rng():
            torch.manual_seed(derive(spec.seed, "initialisation"))
            self.model = build_model(spec, shape).to(device)
        self.judged, self.average = self.model, None
        if self.train.average > 0:
            self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(self.train.average))
            self.judged = cast(SequenceModel, self.average.module)
        self.plateau = Plateau(self.train.learning_rate)
        self.optimizer = self._new_optimizer()
        self.noise, self.dropout = (generator(device, spec.seed, name, 0) for name in ("noise", "dropout"))
        for module in self.model.modules():
            if isinstance(module, Dropout):
                module.generator = self.dropout
        self.totals = Totals()
        self.epoch = self.batch = self.batches = self.rollbacks = 0
        self.history: list[dict[str, Any]] = []
        self.best_model: dict[str, Tensor] | None = None

    def rest_of_epoch(self, train: Split) -> Iterator[SequenceBatch]:
        """The epoch's batches that were not taken yet. Their order, keys and noise follow from seed and epoch, the
        noise from the rollbacks too.
        """
        order = generator(CPU, self.spec.seed, "order", self.epoch)
        split = self.transposed(train)
        batches = shuffled_batches(split, self.train.batch, self.train.pool_batches, order)
        self.batches = len(batches)
        if self.batch == 0:
            for name, stream in (("noise", self.noise), ("dropout", self.dropout)):
                stream.manual_seed(derive(self.spec.seed, name, self.epoch, self.rollbacks))
        self.model.train()
        self.optimizer.zero_grad()
        for rows in batches[self.batch :]:
            self.batch += 1
            yield split.batch(rows, self.spec.kind).to(self.device)
        self.optimizer.zero_grad()  # the rest of an accumulation group is dropped, as in the authors' code

    def transposed(self, train: Split) -> Split:
        """What this epoch trains on: with transposition, each sequence in a key of the epoch's."""
        if self.train.transpose == 0:
            return train
        return transposed(train, self.train.transpose, generator(CPU, self.spec.seed, "transpose", self.epoch))

    @property
    def steps(self) -> int:
        """Steps of the optimiser in the epochs that have ended."""
        return self.epoch * (self.batches // self.train.accumulate)

    @property
    def kl_weight(self) -> float:
        """Of the batch that was taken last."""
        return batch_kl_weight(self.train, self.epoch, self.batch - 1, self.batches)

    def step(self) -> float:
        """A step of the optimiser by the gradients that were gathered; returns their norm. Raises Diverged if it is not
        finite.
        """
        norm = finite(float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.train.clip)))
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return norm

    def end_epoch(self, valid: Totals) -> None:
        """Take in the validation: a best model, or a decay of the learning rate. Raises Diverged if a loss or a weight
        is not finite.
        """
        outcome = self.plateau.update(self.train, self.epoch, finite(valid.per_token("loss")))
        row: dict[str, Any] = {
            "epoch": self.epoch,
            "beta": kl_weight(self.train, self.epoch),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
        }
        row |= {f"train_{name}": self.totals.per_token(name) for name in ("loss", "reconstruction", "kl")}
        row |= {f"valid_{name}": valid.per_token(name) for name in ("loss", "reconstruction", "kl", "length")}
        self.history.append(row)
        if outcome == "best":
            self.best_model = {name: value.detach().clone() for name, value in self.judged.state_dict().items()}
            if not all(parameter.isfinite().all() for parameter in self.model.parameters()):
                raise Diverged
        elif outcome == "decay":
            if self.train.on_decay == "reset":
                self.optimizer = self._new_optimizer()
            self._follow_plateau()
        self.epoch, self.batch, self.totals = self.epoch + 1, 0, Totals()

    def go_back(self, saved: Mapping[str, Any]) -> bool:
        """To the start of an epoch, with a smaller step and other noise. False if it is the start of an earlier epoch,
        because the state of this one is damaged: that is trained again as before, up to here, to diverge again.
        """
        here = (self.epoch, self.rollbacks)
        self.load(saved)
        if (self.epoch, self.rollbacks) != here:
            return False
        self.rollbacks += 1
        self.plateau.learning_rate *= self.train.rollback_factor
        self._follow_plateau()
        return True

    def saved(self) -> Saved:
        """Everything that the next batch depends on."""
        plain = {name: getattr(self, name) for name in PLAIN}
        streams = {"noise": self.noise.get_state(), "dropout": self.dropout.get_state()}
        parts = {name: None if part is None else part.state_dict() for name, part in self._parts().items()}
        return {**plain, **parts, **streams, "plateau": vars(self.plateau), "totals": vars(self.totals)}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take the place of a saved state."""
        for name in PLAIN:
            setattr(self, name, saved[name])
        self.plateau, self.totals = Plateau(**saved["plateau"]), Totals(**saved["totals"])
        self.optimizer = self._new_optimizer()
        for name, part in self._parts().items():
            if part is not None:
                part.load_state_dict(saved[name])
        self.noise.set_state(saved["noise"].cpu())
        self.dropout.set_state(saved["dropout"].cpu())

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "average": self.average, "optimizer": self.optimizer}

    def _new_optimizer(self) -> torch.optim.Optimizer:
        rate, decay = self.plateau.learning_rate, self.train.weight_decay
        if self.train.optimizer == "sgd":
            return torch.optim.SGD(self.model.parameters(), lr=rate, weight_decay=decay)
        return torch.optim.AdamW(self.model.parameters(), lr=rate, weight_decay=decay, fused=True)

    def _follow_plateau(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.plateau.learning_rate
