"""What the classes of a variant must be and have, before any law makes sense. Each mistake is one line that names the
class, the method and what was expected.
"""

import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lnf.corpora.batches import CorpusShape, SequenceBatch
from lnf.errors import UserError
from lnf.flows.base import HiddenFlow, Prior
from lnf.kinds.base import Kind
from lnf.laws.instances import SMALL, WIDTH, batch_of, latents_of, model_of, prior_of
from lnf.laws.laws import BrokenLaw
from lnf.models.base import SequenceModel
from lnf.models.latent import LatentModel
from lnf.models.objectives import Terms
from lnf.spec import Spec, class_of, class_path, imported, kind_path

BASES = {"model": SequenceModel, "time": Prior, "hidden": HiddenFlow}
CONSTRUCTORS = {
    "model": "(corpus shape)",
    "time": "(hidden flow factory, latent=, max_length=, units=, layers=, dropout=)",
    "hidden": "(transform, latent=, context=, layers=, width=, reverse=)",
    "transform": "()",
    "kind": ".emission()(width, embedding, features)",
}
POINTS, CONTEXT = 4, 3


def require_contract(spec: Spec, kinds: Sequence[str]) -> None:
    """Raise BrokenLaw for the first class of a variant, or of a kind of data, that is not what its place asks for."""
    parts = reversed(spec.prior.parts.items())  # what others are made of comes first
    classes = {part: _class(part, name) for part, name in parts}
    if "transform" in classes:
        _require_transform(classes["transform"], spec.options.transform)
    if {"hidden", "transform"} <= classes.keys():
        _require_hidden(classes["hidden"], classes["transform"](**spec.options.transform), spec)
    if "time" in classes:
        _require_prior(classes["time"], spec)
    for kind in kinds:
        _require_kind(kind)
        _require_model(classes["model"], spec, kind)


def one_line(problem: Exception) -> str:
    """An exception and where it was raised."""
    place = traceback.extract_tb(problem.__traceback__)[-1]
    said = (str(problem).strip() or "no message").splitlines()[0]
    return f"{type(problem).__name__}: {said} ({Path(place.filename).name}:{place.lineno})"


def _class(key: str, name: str) -> Any:
    found, path = class_of(key, name), class_path(key, name)
    if not inspect.isclass(found):
        raise BrokenLaw(f"{key}: {path} is a {type(found).__name__}; a class would be right")
    base = BASES.get(key)
    if base is not None and not issubclass(found, base):
        raise BrokenLaw(f"{key}: {path} is no {base.__module__}.{base.__name__}; a subclass of it would be right")
    for missing in sorted(getattr(found, "__abstractmethods__", ())):
        raise BrokenLaw(f"{found.__name__}.{missing}: missing; its base class requires it")
    return found


def _require_transform(transform_class: Any, options: Mapping[str, Any]) -> None:
    transform = _made("transform", transform_class, lambda: transform_class(**options))
    name, count = transform_class.__name__, getattr(transform, "parameters", None)
    if type(count) is not int or count < 1:
        raise BrokenLaw(f"{name}.parameters: {count!r}; how many numbers a scalar is transformed with, at least 1")
    raw = [torch.linspace(-1, 1, POINTS) for _ in range(count)]
    for method in ("to_noise", "to_latent"):
        call = _method(transform, method, "(y, raw), a pair of tensors of y's shape")
        _require_pair(name, method, partial(call, torch.zeros(POINTS), raw), [(POINTS,), (POINTS,)])


def _require_hidden(hidden: Any, transform: Any, spec: Spec) -> None:
    size = SMALL.latent
    arguments: dict[str, Any] = {
        "latent": size,
        "context": CONTEXT,
        "layers": 1,
        "width": spec.model.flow_hidden,
        "reverse": False,
    }
    flow = _made("hidden", hidden, lambda: hidden(transform, **arguments, **spec.options.hidden))
    given = torch.zeros(POINTS, size), torch.zeros(POINTS, CONTEXT)
    for method in ("to_noise", "to_latent"):
        call = getattr(flow, method)
        _require_pair(hidden.__name__, method, partial(call, *given), [(POINTS, size), (POINTS,)])


def _require_prior(time: Any, spec: Spec) -> None:
    prior = _made("time", time, lambda: prior_of(spec))
    z_BTH, mask_BT = latents_of()
    shapes = [tuple(z_BTH.shape), tuple(mask_BT.shape)]
    for method in ("noise_steps", "latent_steps"):
        call = getattr(prior, method)
        _require_pair(time.__name__, method, partial(call, z_BTH, mask_BT), shapes)
    drawn = _asked(time.__name__, "sample", "z [B, T, H]", lambda: prior.sample(mask_BT))
    _require_tensor(time.__name__, "sample", drawn, shapes[0])


def _require_kind(name: str) -> None:
    """A kind of data emits what it has."""
    try:
        kind = imported(kind_path(name))()
    except TypeError as problem:
        raise BrokenLaw(f"kind: {name}: {problem}") from problem
    if not isinstance(kind, Kind):
        raise BrokenLaw(f"kind: {name}: must be derived from {Kind.__module__}.{Kind.__name__}")
    owner, shape = type(kind).__name__, CorpusShape(name, WIDTH, SMALL.max_length)
    batch, features = batch_of(name), torch.zeros(len(SMALL.lengths), max(SMALL.lengths), POINTS)
    emission = _made("kind", type(kind), lambda: shape.emission(CONTEXT, POINTS).double())
    for method, call, wanted in (
        ("embed", lambda: emission.embed(batch.x), (*batch.mask_BT.shape, CONTEXT)),
        ("nll", lambda: emission.nll(features.double(), batch.x), tuple(batch.mask_BT.shape)),
        ("sample", lambda: emission.sample(features.double()), tuple(batch.x.shape)),
    ):
        where = f"{owner}.emission"
        _require_tensor(where, method, _asked(where, method, f"a tensor {list(wanted)}", call), wanted)


def _require_model(model_class: Any, spec: Spec, kind: str) -> None:
    name = model_class.__name__
    model, batch = _made("model", model_class, lambda: model_of(spec, kind)), batch_of(kind)
    if not isinstance(getattr(model, "exact", None), bool):
        raise BrokenLaw(f"{name}.exact: missing; True if its likelihood is exact, else False")
    noise = _asked(name, "draw_noise", "a tensor [S, B, T, H]", lambda: model.draw_noise(batch, 2, None))
    terms = _asked(name, "terms_given", "Terms", lambda: model.terms_given(batch, noise))
    if not isinstance(terms, Terms):
        raise BrokenLaw(f"{name}.terms_given: gives {type(terms).__name__}; Terms were expected")
    samples = 1 if model.exact else 2
    for part in ("distortion_SB", "rate_SB"):
        if part != "rate_SB" or isinstance(model, LatentModel):
            _require_tensor(name, f"terms_given.{part}", getattr(terms, part), (samples, len(batch.x)))
    drawn = _asked(name, "sample", "a SequenceBatch", lambda: model.sample(batch.lengths_B))
    if not isinstance(drawn, SequenceBatch) or drawn.x.shape != batch.x.shape:
        raise BrokenLaw(f"{name}.sample: a SequenceBatch of x {list(batch.x.shape)} was expected")


def _made(key: str, cls: Any, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except UserError:
        raise
    except Exception as problem:
        wanted = f"{cls.__name__}{CONSTRUCTORS[key]}"
        raise BrokenLaw(f"{key}: {wanted} cannot be made: {one_line(problem)}") from problem


def _method(owner: Any, method: str, expected: str) -> Callable[..., Any]:
    found = getattr(owner, method, None)
    if not callable(found):
        raise BrokenLaw(f"{type(owner).__name__}.{method}: missing; {expected} was expected")
    call: Callable[..., Any] = found
    return call


def _asked(owner: str, method: str, expected: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as problem:
        raise BrokenLaw(f"{owner}.{method}: {one_line(problem)}; {expected} was expected") from problem


def _require_pair(owner: str, method: str, call: Callable[[], Any], shapes: Sequence[tuple[int, ...]]) -> None:
    expected = f"a pair of tensors {' and '.join(str(list(shape)) for shape in shapes)}"
    found = _asked(owner, method, expected, call)
    if not isinstance(found, tuple) or len(found) != len(shapes):
        raise BrokenLaw(f"{owner}.{method}: gives a {type(found).__name__}; {expected} was expected")
    for one, shape in zip(found, shapes, strict=True):
        _require_tensor(owner, method, one, shape)


def _require_tensor(owner: str, method: str, found: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(found, Tensor):
        raise BrokenLaw(f"{owner}.{method}: gives a {type(found).__name__}; a tensor {list(shape)} was expected")
    if tuple(found.shape) != shape:
        raise BrokenLaw(f"{owner}.{method}: gives a tensor {list(found.shape)}; {list(shape)} was expected")
    if not found.isfinite().all():
        raise BrokenLaw(f"{owner}.{method}: gives numbers that are not finite")
