"""Sequences drawn from a trained model, and reconstructed test sequences, as a file next to its evaluation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
import torch
from torch import Tensor

from lnf.corpora import store
from lnf.corpora.batches import SequenceBatch
from lnf.corpora.loading import Split
from lnf.kinds.base import kind_of
from lnf.models.base import FROM_THE_MODEL, Sampling, SequenceModel
from lnf.models.latent import LatentModel
from lnf.runs.seeds import generator
from lnf.spec import Spec
from lnf.system.sealed import write_table

AT_ONCE = 64
"""Sequences that are drawn together."""


@torch.no_grad()
def draw(
    model: SequenceModel,
    lengths: Tensor,
    seed: int,
    device: torch.device,
    how: Sampling = FROM_THE_MODEL,
    prompt: str = "",
) -> list[np.ndarray]:
    """Sequences of the given lengths [N], text [T] or music [T, 88], which begin with the prompt; equal for equal
    arguments on one device.
    """
    drawn: list[np.ndarray] = []
    for start in range(0, len(lengths), AT_ONCE):
        noise, some = generator(device, seed, "sample", start), lengths[start : start + AT_ONCE].to(device)
        if prompt:
            batch = model.continued(model.batch([prompt] * len(some)), some, noise, how)
        else:
            batch = model.sample(some, noise, how)
        drawn += sequences_of(batch, model)
    return drawn


def draw_lengths(model: SequenceModel, count: int, seed: int, shortest: int = 1) -> Tensor:
    """T ~ p(T) of at least `shortest` steps, [count]."""
    return model.sample_lengths(count, generator(model.log_p_length.device, seed, "lengths"), shortest).cpu()


@torch.no_grad()
def reconstruct(
    model: LatentModel, split: Split, rows: Sequence[int], spec: Spec, device: torch.device
) -> list[np.ndarray]:
    """The likeliest x of each given sequence's steps, given one seeded z ~ q(z|x)."""
    batch = split.batch(rows, spec.kind).to(device)
    return sequences_of(model.reconstruct(batch, generator(device, spec.sample.seed, "reconstruction")), model)


def write_samples(
    path: Path, model: SequenceModel, test: Split, spec: Spec, device: torch.device, metadata: dict[str, str]
) -> None:
    """Write samples-DIGEST.parquet: `what` (sample; original: a test sequence; reconstruction of the original of the
    same place) and `x` as in a corpus. A model without a latent reconstructs nothing.
    """
    found = {
        "sample": draw(model, draw_lengths(model, spec.sample.samples, spec.sample.seed), spec.sample.seed, device)
    }
    rows = range(min(spec.sample.reconstructions, len(test)))
    if isinstance(model, LatentModel) and rows:
        found["original"] = [test.sequences[row] for row in rows]
        found["reconstruction"] = reconstruct(model, test, rows, spec, device)
    columns = {
        "what": pyarrow.array([what for what, sequences in found.items() for _ in sequences]),
        "x": store.to_lists([x for sequences in found.values() for x in sequences], spec.kind, model.width),
    }
    write_table(path, pyarrow.table(columns), metadata)


def sequences_of(batch: SequenceBatch, model: SequenceModel) -> list[np.ndarray]:
    """Sequences of a batch, in the type in which their kind is stored."""
    x = batch.x.cpu().numpy().astype(kind_of(model.kind).dtype(model.width))
    return [x[row, :length] for row, length in enumerate(batch.lengths_B.tolist())]
