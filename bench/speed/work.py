"""Operations of the matrix products of a step, as PyTorch does them, by the rows of the product.

A product of [R, I] with [I, O] is 2 R I O operations. Its rate depends on its rows R: `large` has a row for every step
of every sequence, `step` only one for every sequence, because steps wait for each other, `pair` the same for both
directions of a layer, which do not wait for one another. Padding is no work.

They are counted on a few steps of time and extended to all, since each step has the same products. Compiled inverses
are not seen: a hidden flow that is inverted variable by variable counts as its density, each hidden unit once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from lnf.corpora.batches import CorpusShape, SequenceBatch, mask_of
from lnf.flows import compiled
from lnf.models.base import build_model
from lnf.spec import Spec

FEW, MORE = 3, 5
"""Steps of time that are counted."""
PRODUCTS = {torch.ops.aten.mm: 0, torch.ops.aten.bmm: 0, torch.ops.aten.addmm: 1, torch.ops.aten.baddbmm: 1}
"""Operation -> the place of its left matrix among its arguments."""


@dataclass(frozen=True)
class Work:
    """Operations by the rows of their products."""

    large: float = 0.0
    step: float = 0.0
    pair: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(self.large + other.large, self.step + other.step, self.pair + other.pair)

    def __mul__(self, times: float) -> "Work":
        return Work(self.large * times, self.step * times, self.pair * times)

    @property
    def total(self) -> float:
        """All operations."""
        return self.large + self.step + self.pair


class _Counter(TorchDispatchMode):
    """Counts the operations of products; `rows`: sequences that are at a step together."""

    def __init__(self, rows: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found, self._rows = Work(), rows

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = operation(*args, **(kwargs or {}))
        product = operation.overloadpacket
        if product in PRODUCTS:
            left = args[PRODUCTS[product]]
            count = float(flop_registry[product](*args, **(kwargs or {}), out_val=out))
            at_a_step = "pair" if left.dim() == 3 and len(left) == 2 else "step"
            kind = at_a_step if left.shape[-2] == self._rows else "large"
            self.found += Work(**{kind: count})
        return out


def scores(spec: Spec, shape: CorpusShape, batch: int, samples: int, length: int) -> Work:
    """The terms of `samples` posterior samples of `batch` sequences: one way forward."""
    model = build_model(spec, shape).eval()

    def terms(steps: int) -> None:
        mask_BT = mask_of(torch.full((batch,), steps))
        wide = torch.zeros(batch, steps, shape.width) if spec.kind == "music" else mask_BT.long()
        model.terms(SequenceBatch(wide, mask_BT), samples)

    return _extended(terms, batch * samples, length)


def samples(spec: Spec, shape: CorpusShape, batch: int, length: int) -> Work:
    """x of `batch` sequences drawn from the model."""
    model: Any = build_model(spec, shape).eval()
    if spec.prior.hidden != "af":
        return _extended(lambda steps: model.sample(torch.full((batch,), steps)), batch, length)

    def prior(steps: int) -> None:
        model.prior.log_prob(torch.zeros(batch, steps, spec.model.latent), mask_of(torch.full((batch,), steps)))

    def decode(steps: int) -> None:
        model.decode(torch.zeros(batch, steps, spec.model.latent), mask_of(torch.full((batch,), steps)), None, True)

    inverse = _extended(prior, batch, length)
    inverse = Work(step=inverse.total) if spec.prior.time == "af" else inverse
    return inverse + _extended(decode, batch, length)


def _extended(call: Callable[[int], None], rows: int, length: int) -> Work:
    """The work of `length` steps of time."""
    few, more = _counted(call, rows, FEW), _counted(call, rows, MORE)
    each = (more + few * -1) * (1 / (MORE - FEW))
    return few + each * (length - FEW)


def _counted(call: Callable[[int], None], rows: int, steps: int) -> Work:
    """The work of a call, with compiled inverses off, whose products PyTorch does not see."""
    counter = _Counter(rows)
    with patch.object(compiled, "available", lambda: False), counter:
        call(steps)
    return counter.found
