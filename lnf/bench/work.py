"""How many floating-point operations the matrix products of a step cost at least, by the shape of the product.

A product of [R, I] with [I, O] is 2 R I O operations. Its rate hangs on its rows R: `large` has a row for every step of
every sequence, `step` only one for every sequence, because steps wait for each other, `pair` the same for both
directions of a layer, which do not wait for one another. Positions are look-ups and cost nothing; masked products count
densely; padding is no work. Axes: B sequences, S samples, T steps.
"""

from dataclasses import dataclass

from lnf.corpora.batches import CorpusShape
from lnf.spec import ModelSpec, Spec


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


def scores(spec: Spec, shape: CorpusShape, batch: int, samples: int, length: int) -> Work:
    """The terms of `samples` posterior samples of `batch` sequences: one way forward."""
    model, rows = spec.model, batch * samples
    if spec.prior.time is None:
        steps = batch * (length - 1)
        lstm = _stack(model.embedding, model, 1, steps, batch * (length - 1))
        return lstm + _emission(spec, shape, model.hidden, batch * length) + _embedding(spec, shape, steps)
    posterior = _stack(model.embedding, model, 2, batch * length, batch * length)
    head = _product(batch * length, 2 * model.hidden, 2 * model.latent)
    decoder = _stack(model.latent, model, 2, rows * length, rows * length)
    emission = _emission(spec, shape, model.latent + 2 * model.hidden, rows * length)
    prior = _prior(spec, rows, length, parallel=spec.prior.time != "iaf")
    return _embedding(spec, shape, batch * length) + posterior + head + prior + decoder + emission


def samples(spec: Spec, shape: CorpusShape, batch: int, length: int) -> Work:
    """x of `batch` sequences drawn from the model."""
    model = spec.model
    if spec.prior.time is None:
        lstm = _stack(model.embedding, model, 1, batch * (length - 1), batch * (length - 1))
        emission = _emission(spec, shape, model.hidden, batch * length)
        return Work(step=(lstm + emission + _embedding(spec, shape, batch * (length - 1))).total)
    decoder = _stack(model.latent, model, 2, batch * length, batch * length)
    emission = _emission(spec, shape, model.latent + 2 * model.hidden, batch * length)
    return _prior(spec, batch, length, parallel=spec.prior.time != "af") + decoder + emission


def _product(rows: float, inputs: int, outputs: int) -> Work:
    return Work(large=2.0 * rows * inputs * outputs)


def _stack(inputs: int, model: ModelSpec, directions: int, rows: float, steps: float) -> Work:
    """A stack of LSTM layers: the inputs' products in one, the recurrent ones step by step."""
    total = Work()
    for layer in range(model.layers):
        width = inputs if layer == 0 else directions * model.hidden
        total += _product(rows, width, directions * 4 * model.hidden)
        recurrent = 2.0 * steps * directions * model.hidden * 4 * model.hidden
        total += Work(pair=recurrent) if directions == 2 else Work(step=recurrent)
    return total


def _embedding(spec: Spec, shape: CorpusShape, rows: float) -> Work:
    """Texts are looked up; keys are a product."""
    return Work() if spec.kind == "text" else _product(rows, shape.width, spec.model.embedding)


def _emission(spec: Spec, shape: CorpusShape, features: int, rows: float) -> Work:
    return _product(rows, features, spec.model.embedding) + _product(rows, spec.model.embedding, shape.width)


def _prior(spec: Spec, rows: int, length: int, parallel: bool) -> Work:
    """log p(z|T), or z: all steps at once if every vector that the flow depends on is known."""
    model = spec.model
    flow = _flow(spec, rows * length)
    if spec.prior.time == "none":
        return flow
    lstm = _stack(model.latent, model, 1, rows * (length - 1), rows * (length - 1))
    start = _product(rows, model.hidden, 2 * model.layers * model.hidden)
    return lstm + start + flow if parallel else Work(step=(lstm + start + flow).total)


def _flow(spec: Spec, rows: float) -> Work:
    """The flow within a step, for all steps."""
    model, latent = spec.model, spec.model.latent
    parameters = 5 if spec.prior.transform == "nlsq" else 2
    has_context = spec.prior.time != "none"  # of a position it is a look-up
    if spec.prior.hidden == "none":
        return _product(rows, model.hidden, parameters * latent) if has_context else Work()
    seen, changed = (latent, latent) if spec.prior.hidden == "af" else (latent // 2, -(-latent // 2))
    layer = _product(rows, seen, model.flow_hidden) + _product(rows, model.flow_hidden, model.flow_hidden)
    layer += _product(rows, model.flow_hidden, parameters * changed)
    layer += _product(rows, model.hidden, model.flow_hidden) if has_context else Work()
    return layer * model.flow_layers
