"""How the bound on the NLL tightens with the number of importance samples, so that it is not taken for a better model.

Axes: K samples, G groups of them, B batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import torch
from torch import Tensor

from lnf.corpora import loading
from lnf.corpora.batch_order import sorted_batches
from lnf.corpora.batches import SequenceBatch
from lnf.models.base import SequenceModel
from lnf.models.objectives import iwae_bound, log_weights
from lnf.nn.precision import products_in
from lnf.runs import checkpoint
from lnf.runs.evaluation import samples_at_once
from lnf.runs.machine import settle
from lnf.runs.resume_state import RunState
from lnf.runs.seeds import generator
from lnf.spec import Spec
from lnf.system.parquet import write_table
from lnf.units import UNITS


@torch.no_grad()
def run_bounds(run: Path, data: Path, settings: Mapping[str, Any], threads: int, out: Path) -> None:
    """Write OUT/bounds.parquet (prior, k, unit, nll, nll_given_length) of the test set.

    `run` is the folder of a trained model; `settings`: samples (every K, of which the largest is drawn) and seed. A
    smaller K takes the same samples in groups, and the mean of the groups' bounds.
    """
    settle(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    watcher = RunState(out / "state", {})
    model, spec, _ = checkpoint.load(run / "model.pt")
    test = loading.load(data, spec).splits["test"]
    for fraction in _summing(sums := _Sums(settings["samples"]), model.to(device), test, spec, settings["seed"]):
        watcher.progress(f"bounds up to K = {max(settings['samples'])}", fraction, at_once=fraction == 1.0)
    write_table(out / "bounds.parquet", pyarrow.Table.from_pylist(sums.rows(spec)))
    watcher.remove()


class _Sums:
    """Sums over sequences: the bound of each K, log p(T), sequences and steps."""

    def __init__(self, samples: Sequence[int]) -> None:
        self.bound = dict.fromkeys(sorted(samples), 0.0)
        self.log_p_length, self.sequences, self.steps = 0.0, 0, 0

    def add(self, log_weights_KB: Tensor, log_p_length_B: Tensor, batch: SequenceBatch) -> None:
        for k in self.bound:
            self.bound[k] += float(mean_bound(log_weights_KB, k).sum())
        self.log_p_length += float(log_p_length_B.double().sum())
        self.sequences += len(batch.mask_BT)
        self.steps += int(batch.mask_BT.sum())

    def rows(self, spec: Spec) -> list[dict[str, Any]]:
        unit, nats = UNITS[spec.kind]
        paper, given_length = nats * (self.steps + self.sequences), nats * self.steps
        return [{"prior": spec.prior.name, "k": k, "unit": unit, "nll": -(bound + self.log_p_length) / paper,
                 "nll_given_length": -bound / given_length} for k, bound in self.bound.items()]  # fmt: skip


def mean_bound(log_weights_KB: Tensor, k: int) -> Tensor:
    """The mean bound of groups of k samples, [B]; samples that fill no group are left out."""
    groups = len(log_weights_KB) // k
    log_weights_kGB = log_weights_KB[: groups * k].view(groups, k, -1).transpose(0, 1)
    return iwae_bound(log_weights_kGB).mean(0)


def _summing(sums: _Sums, model: SequenceModel, test: loading.Split, spec: Spec, seed: int) -> Iterator[float]:
    """Add every batch of a split, and tell the share that is done after each pass over some samples."""
    device = next(model.parameters()).device
    batches = sorted_batches(test, spec.train.valid_batch)
    for index, rows in enumerate(batches):
        batch = test.batch(rows, spec.kind).to(device)
        noise = generator(device, seed, "bounds", index)
        weights, log_p_length_B = [], torch.empty(0)
        left = max(sums.bound)
        while left:
            count = min(left, samples_at_once(spec.evaluate, model, batch))
            with products_in(spec.model.precision, device):
                terms = model.terms(batch, count, noise)
            weights.append(log_weights(terms).double())
            log_p_length_B, left = terms.log_p_length_B, left - count
            yield (index + 1 - left / max(sums.bound)) / len(batches)
        sums.add(torch.cat(weights), log_p_length_B, batch)
