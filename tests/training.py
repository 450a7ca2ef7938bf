"""Training in parts: a state with its corpus and keeper, and the sudden end of one."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
import torch

from lnf.corpora.batches import SequenceBatch
from lnf.corpora.loading import Corpus, Split
from lnf.runs import training
from lnf.runs.keeper import Keeper
from lnf.runs.state import State
from lnf.spec import Spec


class Cut(Exception):
    """In place of the death of a process."""


def cut_after(patch: pytest.MonkeyPatch, batches: int) -> None:
    """End trainings before another batch than the first so many."""
    rest, taken = State.rest_of_epoch, count()

    def until_cut(self: State, train: Split) -> Iterator[SequenceBatch]:
        for batch in rest(self, train):
            if next(taken) == batches:
                raise Cut
            yield batch

    patch.setattr(State, "rest_of_epoch", until_cut)


@dataclass
class Training:
    """What `training.fit` is given."""

    state: State
    corpus: Corpus
    keeper: Keeper

    def fit(self) -> "Training":
        training.fit(self.state, self.corpus, self.keeper)
        return self

    def cut_and_resumed(self, batches: int) -> "Training":
        """As if the process had died after so many batches, and another had gone on."""
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Cut):
            cut_after(patch, batches)
            self.fit()
        return training_of(self.state.spec, self.corpus, self.keeper.run).fit()


def training_of(spec: Spec, corpus: Corpus, run: Path) -> Training:
    """A new training on the CPU, or one that goes on from what is in the folder `run`."""
    (run / "state").mkdir(parents=True, exist_ok=True)
    return Training(State(spec, corpus.shape, torch.device("cpu")), corpus, Keeper(run, {}))


def with_gradients(state: State) -> State:
    """The state, with the same gradients whenever it is called for the same seed of torch."""
    for parameter in state.model.parameters():
        parameter.grad = torch.randn_like(parameter)
    return state
