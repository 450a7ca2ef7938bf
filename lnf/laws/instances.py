"""Small instances of a variant on which laws are tried, in float64 and eval mode.

SMALL is so small that Jacobians, differences and lists of all sequences are cheap. WIDE shows what hides in it: more
steps than eight, more than four dimensions, more sequences than eight, and latents far from 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lnf.corpora.batches import CorpusShape, SequenceBatch, mask_of
from lnf.flows.base import Prior
from lnf.kinds.base import kind_of
from lnf.models.base import SequenceModel, build_model
from lnf.models.latent import build_prior
from lnf.nn.dropout import Dropout
from lnf.spec import ModelSpec, Spec

WIDTH = 5
FEW_KEYS = 2
"""So few that all sequences of two steps can be listed."""
FAR = 8.0
"""What the latents of WIDE's first sequence are multiplied by."""


@dataclass(frozen=True)
class Size:
    """Dimensions of an instance: the latent size, the longest length that it knows, and the lengths of its batch."""

    latent: int
    max_length: int
    lengths: tuple[int, ...]
    far: float = 1.0


SMALL = Size(latent=3, max_length=8, lengths=(5, 3, 1))
WIDE = Size(latent=6, max_length=16, lengths=(12, 9, 1) * 5 + (12,), far=FAR)


SCALES = ((6, 5, 7), (8, 8, 8), (16, 16, 16))
"""Units of LSTMs, embedding, and units of nets within a step: odd ones show the most, and heads need multiples."""


def small(spec: Spec) -> Spec:
    """The variant at a few units: the first of SCALES at which its classes can be made, or else the first."""
    size = ModelSpec(latent=SMALL.latent, flow_layers=min(spec.model.flow_layers, 3), dropout=0.0)
    scales = [
        spec.replace(model=size.replace(hidden=hidden, embedding=embedding, flow_hidden=width))
        for hidden, embedding, width in SCALES
    ]
    return next((one for one in scales if _can_be_made(one)), scales[0])


def _can_be_made(spec: Spec) -> bool:
    try:
        model_of(spec, "text")
    except Exception:  # a user's own constructor may raise anything; the contract reports it, at the first scale
        return False
    return True


def model_of(spec: Spec, kind: str, size: Size = SMALL, width: int = WIDTH) -> SequenceModel:
    """A variant at the latent size of an instance, its weights perturbed so that no part is near the identity."""
    model = _perturbed(lambda: build_model(_sized(spec, size.latent), _shape(kind, width, size.max_length)))
    assert isinstance(model, SequenceModel)
    return model


def prior_of(spec: Spec, size: Size = SMALL) -> Prior:
    """The variant's prior alone, likewise."""
    prior = _perturbed(lambda: build_prior(_sized(spec, size.latent), size.max_length))
    assert isinstance(prior, Prior)
    return prior


def batch_of(kind: str, size: Size = SMALL) -> SequenceBatch:
    """Sequences of the size's lengths."""
    generator = torch.Generator().manual_seed(2)
    mask_BT = mask_of(torch.tensor(size.lengths))
    values = tensor_of(kind, kind_of(kind).values(WIDTH))
    return SequenceBatch.masked(values[torch.randint(len(values), mask_BT.shape, generator=generator)], mask_BT)


def tensor_of(kind: str, values: np.ndarray) -> Tensor:
    """Values of a kind as models are given them, in float64."""
    return torch.from_numpy(values).to(torch.long if kind_of(kind).symbols else torch.double)


def latents_of(size: Size = SMALL) -> tuple[Tensor, Tensor]:
    """(z [B, T, H], mask [B, T]), the first sequence of z `size.far` times as far from 0 as the others."""
    mask_BT = mask_of(torch.tensor(size.lengths))
    z_BTH = torch.randn(*mask_BT.shape, size.latent, generator=torch.Generator().manual_seed(1))
    z_BTH[0] *= size.far
    return z_BTH, mask_BT


def _perturbed(build: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build().double().eval()
        for part in module.modules():
            if isinstance(part, Dropout):
                part.p = 0.0  # an option of the user's own may set it
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return module


def _sized(spec: Spec, latent: int) -> Spec:
    return spec.replace(model=spec.model.replace(latent=latent))


def _shape(kind: str, width: int, max_length: int) -> CorpusShape:
    return CorpusShape(kind, width, max_length, torch.full((max_length + 1,), -2.0))
