"""How the bound on the NLL tightens with the number of importance samples, so that it is not taken for a better model.

Axes: K samples, G groups of them, B batch, N sequences.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor

from lnf.corpora import loading
from lnf.corpora.batches import SequenceBatch
from lnf.corpora.loading import sorted_batches
from lnf.models.base import SequenceModel
from lnf.models.objectives import iwae_bound, log_weights
from lnf.nn.linear import products_in
from lnf.report.figures.canvas import Canvas, save
from lnf.report.figures.style import looks
from lnf.runs import checkpoint
from lnf.runs.evaluation import samples_at_once
from lnf.runs.machine import device_of, settle
from lnf.runs.progress import ProgressFile, shown
from lnf.runs.seeds import generator
from lnf.spec import Spec
from lnf.system.sealed import read_rows, write_table
from lnf.units import nats_in

if TYPE_CHECKING:
    from matplotlib.artist import Artist

Numbers = NDArray[np.float64]
FLAT = 0.1
"""Of the standard error of the NLL: on the same sequences, two models differ with an error several times smaller."""


@torch.no_grad()
def run_bounds(run: str, data: str, settings: Mapping[str, Any], threads: int, out: Path) -> None:
    """Write OUT/bounds.parquet: prior, k, unit, nll, nll_given_length, error, gain, gain_error, n, flat.

    `run` is the folder of a trained model, `data` that of its corpus; `settings`: samples (every K to be tried), seed,
    and sequences (how many of test are drawn, the same for all models; None: all). The K of the run's evaluation is one
    of them. They are taken in turn until the bound is flat: a K of at least twice the one before changes the NLL by
    less than FLAT of its standard error over sequences (`error`). `gain` is the NLL at the evaluation's K less that at
    k, `gain_error` its standard error. A smaller K takes the same samples in groups: the mean of their bounds.
    """
    settle(threads)
    progress = ProgressFile(out)
    model, spec, _ = checkpoint.load(Path(run, "model.pt"))
    test = _drawn(loading.load(Path(data), spec).splits["test"], settings.get("sequences"), settings["seed"])
    counts = sorted({*settings["samples"], spec.evaluate.samples})

    def report(k: int, fraction: float) -> None:
        progress.write(f"bound with K = {k} of at most {counts[-1]}", fraction, at_once=fraction == 1.0)

    with shown(out, f"{spec.key} bounds"):
        rows = _rows(
            _Weights(model.to(device_of(spec.resources.gpus)), test, spec, settings["seed"]), counts, spec, report
        )
    write_table(out / "bounds.parquet", pyarrow.Table.from_pylist(rows))
    progress.remove()


def _rows(
    weights: "_Weights", counts: Sequence[int], spec: Spec, report: Callable[[int, float], None]
) -> list[dict[str, Any]]:
    """A row for each K up to the first at which the bound is flat."""
    tried: list[int] = []
    for k in counts:
        for fraction in weights.extend_to(k):
            report(k, (k - (1 - fraction) * (k - (tried[-1] if tried else 0))) / counts[-1])
        tried.append(k)
        rows = [_row(weights, one, tried, spec) for one in tried]
        if spec.evaluate.samples <= k and rows[-1]["flat"]:
            break
    report(counts[-1], 1.0)
    return rows


def _row(weights: "_Weights", k: int, tried: Sequence[int], spec: Spec) -> dict[str, Any]:
    nats, n = nats_in(weights.unit), weights.sequences
    tokens = nats * (weights.steps + n)
    bound_N = weights.bound(k)
    values_N = -(bound_N + weights.log_p_length_N)
    wider = [one for one in tried if 2 * one <= k]
    change = (weights.bound(k) - weights.bound(wider[-1])).sum() / tokens if wider else np.inf
    error = _error(values_N, tokens)
    gain_N = bound_N - weights.bound(spec.evaluate.samples) if spec.evaluate.samples in tried else np.zeros(n)
    return {
        "prior": spec.prior.name, "k": k, "unit": weights.unit, "nll": values_N.sum() / tokens,
        "nll_given_length": -bound_N.sum() / (nats * weights.steps), "error": error, "gain": gain_N.sum() / tokens,
        "gain_error": _error(gain_N, tokens), "n": n, "flat": bool(abs(change) < FLAT * error),
    }  # fmt: skip


def _error(values_N: Numbers, tokens: float) -> float:
    """The standard error, over sequences, of their sum by tokens; 0 for one sequence, which has no spread."""
    return float(np.sqrt(len(values_N)) * values_N.std(ddof=1) / tokens) if len(values_N) > 1 else 0.0


class _Weights:
    """Importance weights of every sequence of a split, of ever more samples."""

    def __init__(self, model: SequenceModel, split: loading.Split, spec: Spec, seed: int) -> None:
        self.sequences, self.steps = len(split), sum(map(len, split.sequences))
        self.unit = model.shape.unit
        self.log_p_length_N: Numbers = np.zeros(len(split))
        self._model, self._split, self._spec, self._seed = model, split, spec, seed
        self._batches = sorted_batches(split, spec.train.valid_batch)
        self._weights_KB = [torch.empty(0, len(rows), dtype=torch.float64) for rows in self._batches]

    def bound(self, k: int) -> Numbers:
        """The mean bound of groups of k samples of log p(x|T), [N]."""
        bound_N = np.zeros(self.sequences)
        for rows, weights_KB in zip(self._batches, self._weights_KB, strict=True):
            bound_N[rows] = mean_bound(weights_KB, k).numpy()
        return bound_N

    def extend_to(self, k: int) -> Iterator[float]:
        """Draw samples until each sequence has k, and yield the share of this that is done after each pass."""
        device = next(self._model.parameters()).device
        for index, rows in enumerate(self._batches):
            batch = self._split.batch(rows, self._spec.kind).to(device)
            before = len(self._weights_KB[index])
            noise = generator(device, self._seed, "bounds", index, before)
            for weights_KB, log_p_length_B in self._passes(batch, k - before, noise):
                self._weights_KB[index] = torch.cat([self._weights_KB[index], weights_KB])
                self.log_p_length_N[rows] = log_p_length_B.double().cpu().numpy()
                yield (index + (len(self._weights_KB[index]) - before) / (k - before)) / len(self._batches)

    def _passes(self, batch: SequenceBatch, count: int, noise: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """(weights of some samples, log p(T)), as many samples at once as the byte budget holds."""
        while count:
            now = min(count, samples_at_once(self._spec.evaluate, self._model, batch))
            with products_in(self._spec.model.precision, batch.mask_BT.device):
                terms = self._model.terms(batch, now, noise)
            yield log_weights(terms).double().cpu(), terms.log_p_length_B
            count -= now


def mean_bound(log_weights_KB: Tensor, k: int) -> Tensor:
    """The mean bound of groups of k samples, [B]; samples that fill no group are left out."""
    groups = len(log_weights_KB) // k
    log_weights_kGB = log_weights_KB[: groups * k].view(groups, k, -1).transpose(0, 1)
    return iwae_bound(log_weights_kGB).mean(0)


def _drawn(split: loading.Split, count: int | None, seed: int) -> loading.Split:
    """`count` sequences of a split, or all of one that has no more; the same for each model of a corpus."""
    if count is None or count >= len(split):
        return split
    rows = np.sort(np.random.default_rng([seed, len(split)]).choice(len(split), size=count, replace=False))
    return loading.Split([split.sequences[row] for row in rows], {}, split.width)


def draw(studies: Mapping[str | None, Sequence[Path]], labels: Mapping[str, str], folder: Path) -> None:
    """bounds.* from STUDY/bounds.parquet of each corpus' models: a panel a corpus, a line a model."""
    save(folder, "bounds", partial(_draw, studies, labels))


def _draw(studies: Mapping[str | None, Sequence[Path]], labels: Mapping[str, str], canvas: Canvas) -> None:
    from matplotlib.ticker import ScalarFormatter

    style = looks(list(labels))
    drawn = canvas.figure(2.4 * len(studies) + (1.4 if canvas.narrow else 0.6))
    grid = drawn.subplots(len(studies), 1, squeeze=False)
    lines: dict[str, Artist] = {}
    for (corpus, models), (axes,) in zip(studies.items(), grid, strict=True):
        for study in models:
            rows = read_rows(study / "bounds.parquet")
            label, look = labels[rows[0]["prior"]], style[rows[0]["prior"]]
            (lines[label],) = axes.plot([row["k"] for row in rows], [row["nll"] for row in rows], **look)
            for row in rows:
                (point,) = axes.plot(row["k"], row["nll"], color=look["color"], marker=look["marker"])
                canvas.mark(point, model=label, corpus=corpus, k=f"K = {row['k']}", value=row["nll"], unit=row["unit"])
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.set_xlabel("importance samples K")
        axes.set_ylabel(f"NLL, {rows[0]['unit']}")
        axes.set_title(str(corpus), loc="left")
    drawn.legend(list(lines.values()), list(lines), loc="outside lower center", ncols=2 if canvas.narrow else 4)
