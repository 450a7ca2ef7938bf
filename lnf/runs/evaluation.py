"""Evaluation of one trained run on valid and test, as docs/paper.md section 8 defines the numbers.

Everything is computed in nats per sequence and leaves this module in named units.
Axes: S samples in one pass, K importance samples, B batch.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import torch
from torch import Tensor

from lnf.corpora import loading
from lnf.corpora.batches import SequenceBatch
from lnf.corpora.loading import Split, sorted_batches
from lnf.errors import UserError
from lnf.models.base import SequenceModel
from lnf.models.objectives import log_weights
from lnf.nn.linear import products_in
from lnf.plan.origin import other_code
from lnf.runs import checkpoint
from lnf.runs.machine import device_of, settle
from lnf.runs.progress import ProgressFile
from lnf.runs.sampling import write_samples
from lnf.runs.seeds import generator
from lnf.spec import EvaluateSpec, Spec
from lnf.system.files import digest, read_json
from lnf.system.sealed import write_table
from lnf.units import nats_in

EVALUATION = pyarrow.schema(
    [
        ("split", pyarrow.string()),
        ("metric", pyarrow.string()),
        ("unit", pyarrow.string()),
        ("value", pyarrow.float64()),
        ("estimator", pyarrow.string()),
        ("k", pyarrow.int32()),
        ("n", pyarrow.int32()),
    ]
)


@dataclass(frozen=True)
class SequenceScores:
    """Per sequence of a split, in corpus order, in nats; kl is None for an exact model.

    log_prob_given_length: exact, or the K-sample importance bound, of log p(x|T); reconstruction and kl: means over
    the same K samples; log_prob_length: log p(T).
    """

    length: np.ndarray
    log_prob_given_length: np.ndarray
    reconstruction: np.ndarray
    kl: np.ndarray | None
    log_prob_length: np.ndarray


def evaluate_run(spec: Spec, folder: Path, run: Path, digests: Mapping[str, str], evaluation: str) -> None:
    """Evaluate RUN/model.pt into samples- and sequences-DIGEST.parquet and, last, evaluation-DIGEST.parquet.

    `folder` is the corpus', `digests` are the run's, `evaluation` is the digest of the evaluation; whose they are
    is in the metadata of each file. A diverged run is passed on: no rows, and the status in the metadata. Raises
    UserError if the run or the corpus are not what the digests say, or if a model scores better than the source that
    made its corpus.
    """
    settle(spec.resources.cpus)
    if not (run / "run.json").exists():
        raise UserError(f"evaluate: {run}: no run.json in it; train the run first")
    facts = read_json(run / "run.json")
    _require(run / "run.json", facts["digests"], digests)
    metadata = {"run": digest(digests), "evaluation": evaluation, "status": facts["status"]}
    samples, sequences, metrics = (
        run / f"{what}-{evaluation}.parquet" for what in ("samples", "sequences", "evaluation")
    )
    if facts["status"] != "ok":
        _write(samples, [], pyarrow.schema([("what", pyarrow.string())]), metadata)
        _write(sequences, [], pyarrow.schema([("split", pyarrow.string())]), metadata)
        _write(metrics, [], EVALUATION, metadata)
        return
    model, _, document = checkpoint.load(run / "model.pt")
    _require(run / "model.pt", document["digests"], facts["digests"])
    if (other := other_code(document, spec)) is not None:
        print(f"lnf: {run / 'model.pt'}: {other}", flush=True)
    corpus = loading.load(folder, spec)
    _require(folder, {"data": corpus.meta["digest"]}, {"data": digests["data"]})
    device = device_of(spec.resources.gpus)
    model.to(device)
    progress = ProgressFile(run)
    batches = sum(len(sorted_batches(corpus.splits[name], spec.train.valid_batch)) for name in spec.evaluate.splits)
    done = itertools.count(1)
    rows, of_sequences = [], []
    for name in spec.evaluate.splits:
        scores = score(model, corpus.splits[name], spec, device, lambda: _report(progress, next(done), batches))
        rows += summary(scores, name, corpus.shape.unit, model.exact, spec.evaluate.samples)
        _require_finite(spec.key, rows)
        of_sequences += _sequence_rows(scores, name, corpus.splits[name].columns)
        if "log_prob" in corpus.splits[name].columns:
            require_no_better_than_source(f"{spec.key}/{name}", scores.log_prob_given_length, corpus.splits[name])
    progress.write("drawing samples", None, at_once=True)
    write_samples(samples, model, corpus.splits[spec.evaluate.splits[-1]], spec, device, metadata)
    _write(sequences, of_sequences, None, metadata)
    _write(metrics, rows, EVALUATION, metadata)
    progress.remove()


def _require(place: Path, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Raise UserError if a file or folder is another run's or another corpus'."""
    for part, wanted in expected.items():
        if found[part] != wanted:
            raise UserError(f"{place}: made with {part} {found[part]}, not {wanted}; remove it, and make it again")


def _require_finite(key: str, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if not math.isfinite(row["value"]):
            raise UserError(f"{key}: {row['split']} {row['metric']} is {row['value']}: a finite number would be right")


@torch.no_grad()
def score(
    model: SequenceModel,
    split: loading.Split,
    spec: Spec,
    device: torch.device,
    after_batch: Callable[[], None] = lambda: None,
) -> SequenceScores:
    """Scores of every sequence with K importance samples, within the byte budget; `after_batch` is called after each.

    Noise depends on the evaluation seed and on the batch alone, so all models of one corpus meet the same.
    """
    batches = sorted_batches(split, spec.train.valid_batch)
    samples = 1 if model.exact else spec.evaluate.samples
    columns = {name: np.full(len(split), np.nan) for name in ("log_prob", "reconstruction", "kl", "length_log_prob")}
    for index, rows in enumerate(batches):
        batch = split.batch(rows, spec.kind).to(device)
        noise = generator(device, spec.evaluate.seed, "evaluation", index)
        with products_in(spec.model.precision, device):
            totals = _streamed(model, batch, samples, spec, noise)
        for name, values in totals.items():
            columns[name][rows] = values.double().cpu().numpy()
        after_batch()
    return SequenceScores(
        length=np.array([len(x) for x in split.sequences]),
        log_prob_given_length=columns["log_prob"],
        reconstruction=columns["reconstruction"],
        kl=None if model.exact else columns["kl"],
        log_prob_length=columns["length_log_prob"],
    )


def _streamed(
    model: SequenceModel, batch: SequenceBatch, samples: int, spec: Spec, noise: torch.Generator
) -> dict[str, Tensor]:
    """Sums over K samples in chunks that the byte budget holds, [B] each."""
    log_mean_weight = torch.full((len(batch.x),), -torch.inf, dtype=torch.float64, device=batch.mask_BT.device)
    reconstruction, kl = torch.zeros_like(log_mean_weight), torch.zeros_like(log_mean_weight)
    for chunk in _chunks(samples, samples_at_once(spec.evaluate, model, batch)):
        terms = model.terms(batch, chunk, noise)
        chunk_weight = log_weights(terms).double().logsumexp(0) - math.log(samples)
        log_mean_weight = torch.logaddexp(log_mean_weight, chunk_weight)
        reconstruction += terms.distortion_SB.double().sum(0) / samples
        if terms.rate_SB is not None:
            kl += terms.rate_SB.double().sum(0) / samples
        length_log_prob = terms.log_p_length_B
    return {
        "log_prob": log_mean_weight,
        "reconstruction": reconstruction,
        "kl": kl,
        "length_log_prob": length_log_prob,
    }


def samples_at_once(evaluate: EvaluateSpec, model: SequenceModel, batch: SequenceBatch) -> int:
    """How many samples of a batch fit the byte budget; at least one."""
    bytes_a_sample = batch.mask_BT.numel() * model.step_bytes()
    return max(1, int(evaluate.memory_gb * 2**30 / bytes_a_sample))


def summary(scores: SequenceScores, split: str, unit: str, exact: bool, samples: int) -> list[dict[str, Any]]:
    """Rows of evaluation.parquet for one split (docs/paper.md section 8).

    `nll` includes log p(T) and divides by sum(T + 1); `nll_given_length` does neither and divides by sum(T). The terms
    of the ELBO follow the first protocol.
    """
    nats = nats_in(unit)
    steps = int(scores.length.sum())
    paper, given_length = nats * (steps + len(scores.length)), nats * steps
    log_p, log_p_length = scores.log_prob_given_length.sum(), scores.log_prob_length.sum()
    estimator, k = ("exact", None) if exact else ("importance", samples)
    values: list[tuple[str, float, str, int | None]] = [
        ("nll", -(log_p + log_p_length) / paper, estimator, k),
        ("nll_given_length", -log_p / given_length, estimator, k),
        ("length", -log_p_length / paper, "exact", None),
    ]
    if scores.kl is not None:
        reconstruction, kl = scores.reconstruction.sum(), scores.kl.sum()
        values += [
            ("elbo", (reconstruction + kl - log_p_length) / paper, "sampled", samples),
            ("reconstruction", reconstruction / paper, "sampled", samples),
            ("kl", kl / paper, "sampled", samples),
        ]
    return [
        {"split": split, "metric": metric, "unit": unit, "value": float(value), "estimator": how, "k": count, "n": n}
        for metric, value, how, count in values
        for n in [len(scores.length)]
    ]


def _sequence_rows(scores: SequenceScores, split: str, columns: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    rows = []
    for index in range(len(scores.length)):
        log_p = float(scores.log_prob_given_length[index])
        row: dict[str, Any] = {
            "split": split,
            "index": index,
            "length": int(scores.length[index]),
            "log_prob": log_p + float(scores.log_prob_length[index]),
            "log_prob_given_length": log_p,
        }
        if "log_prob" in columns:
            row["source_log_prob"] = float(columns["log_prob"][index])
            row["source_log_prob_given_length"] = float(columns["log_prob"][index] - columns["log_prob_length"][index])
        rows.append(row)
    return rows


def _write(path: Path, rows: list[dict[str, Any]], schema: pyarrow.Schema | None, metadata: dict[str, str]) -> None:
    write_table(path, pyarrow.Table.from_pylist(rows, schema), metadata)


def _chunks(total: int, size: int) -> Iterator[int]:
    for start in range(0, total, size):
        yield min(size, total - start)


def _report(progress: ProgressFile, done: int, batches: int) -> None:
    progress.write(f"evaluating, batch {done}/{batches}", done / batches)


def source_gap(log_prob: np.ndarray, source_log_prob: np.ndarray) -> tuple[float, float]:
    """Mean and standard error of d_i = log p_model(x_i) - log p_source(x_i), in nats a sequence."""
    gap = log_prob - source_log_prob
    return float(gap.mean()), float(gap.std(ddof=1) / np.sqrt(len(gap)))


def require_no_better_than_source(name: str, log_prob_given_length: np.ndarray, split: Split) -> None:
    """Raise UserError if the mean gap exceeds three standard errors: the model must have seen what it predicts. One
    sequence has no error, and decides nothing.
    """
    if len(log_prob_given_length) < 2:
        return
    source = split.columns["log_prob"] - split.columns["log_prob_length"]
    mean, error = source_gap(log_prob_given_length, source)
    if mean > 3 * error:
        raise UserError(
            f"evaluate: {name}: log-likelihood is {mean:.3f} +- {error:.3f} nats a sequence above the source's own;"
            " no honest model is, look for a leak of x into its own prediction"
        )
