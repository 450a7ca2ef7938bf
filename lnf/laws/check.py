"""The laws of one variant, on small instances of it: what the `check` rule runs before the variant may train."""

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

from lnf.errors import UserError
from lnf.fields import build
from lnf.kinds.base import kind_of
from lnf.laws import laws, use
from lnf.laws.contract import one_line, require_contract
from lnf.laws.instances import (
    FEW_KEYS,
    SMALL,
    WIDE,
    WIDTH,
    Size,
    batch_of,
    latents_of,
    model_of,
    prior_of,
    small,
)
from lnf.models.autoregressive import AutoregressiveModel
from lnf.models.latent import LatentModel
from lnf.plan.rule_files import read
from lnf.spec import CHECKED_KINDS, Options, Spec
from lnf.system.files import write_json

PLANE = Size(latent=2, max_length=SMALL.max_length, lengths=SMALL.lengths)
JACOBIANS = 3
"""Sequences of WIDE whose Jacobian is taken: one of each length, the far one among them."""
LISTED = {"text": ((WIDTH, 4), (2, 10)), "music": ((FEW_KEYS, 4), (1, 10))}
"""Kind -> (symbols or keys, steps) of which all sequences are listed."""
AT_MOST = 1024
"""Sequences that are listed of another kind."""
Law = tuple[str, Callable[[], None]]


@contextmanager
def _in_float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@_in_float64()
def check(spec: Spec, out: Path, kinds: Sequence[str] = CHECKED_KINDS) -> None:
    """Run every law on a variant, on some kinds of data, and write {status, laws: {name: seconds}} to `out`.

    Prints each law that does not hold, with its usual cause. Raises UserError that names the variant and the first of
    them, or the class that is not what it must be.
    """
    spec, seconds, broken = small(spec), dict[str, float](), dict[str, str]()
    try:
        require_contract(spec, kinds)
    except laws.BrokenLaw as problem:
        raise UserError(f"check: {spec.prior.name}: {problem}") from problem
    for name, law in laws_of(spec, kinds):
        start = time.perf_counter()
        try:
            _hold(name, law)
        except laws.BrokenLaw as problem:
            broken[name] = f"{problem}; usually: {laws.CAUSES[name.partition('/')[0]]}"
            print(f"check {spec.prior.name}: {name}: {broken[name]}", flush=True)
        seconds[name] = round(time.perf_counter() - start, 3)
    if broken:
        first, *others = broken
        more = f" ({len(others)} more laws do not hold: {', '.join(others)})" if others else ""
        raise UserError(f"check: {spec.prior.name}: {broken[first]}{more}")
    write_json(out, {"status": "ok", "prior": spec.prior.name, "laws": seconds})
    print(f"check {spec.prior.name}: {len(seconds)} laws hold ({sum(seconds.values()):.1f} s)", flush=True)


def require_laws(rule_file: Path) -> None:
    """Hold the variant of a rule file against the laws, for a test of one's own. Raises UserError as `check` does."""
    variant = read(rule_file)
    spec = Spec(
        corpus="none", kind="text", seed=0, prior=variant.prior, options=build(Options, variant.options, "options")
    )
    with tempfile.TemporaryDirectory() as folder:
        check(spec, Path(folder, "check.json"))


def laws_of(spec: Spec, kinds: Sequence[str] = CHECKED_KINDS) -> Iterator[Law]:
    """The laws that apply to a spec's variant on some kinds of data, each a name and a call."""
    for kind in kinds:
        yield from model_laws(spec, kind)
        yield from laws_of_use(spec, kind)
        model = model_of(spec, kind)
        if kind_of(kind).finite and (model.exact or isinstance(model, LatentModel)):
            yield f"samples_agree_with_the_likelihood/{kind}", sampling_law(spec, kind)
    if model.exact:
        yield from exact_laws(spec, kinds)
    yield from stepwise_laws(spec, kinds)
    if isinstance(model, LatentModel):
        yield from prior_laws(spec)
        yield from wide_prior_laws(spec)


def model_laws(spec: Spec, kind: str) -> Iterator[Law]:
    """Laws of any model of sequences, the last three on an instance in which less holds by chance."""
    for size, place, of_models in (
        (SMALL, "", (laws.parameters_get_gradients, laws.rate_plus_distortion, laws.bound_grows_with_samples)),
        (SMALL, "", (laws.model_ignores_padding,)),
        (WIDE, "wide/", (laws.model_ignores_padding,)),
        (WIDE, "", (laws.model_is_the_same_in_training, laws.model_is_the_same_in_float32)),
    ):
        model, batch = model_of(spec, kind, size), batch_of(kind, size)
        for law in of_models:
            yield f"{law.__name__}/{place}{kind}", partial(law, model, batch)


def laws_of_use(spec: Spec, kind: str) -> Iterator[Law]:
    """What the pipeline does with a model."""
    model, batch = model_of(spec, kind), batch_of(kind)
    for law in (use.is_evaluated, use.is_read_again):
        yield f"{law.__name__}/{kind}", partial(law, model, batch, spec.replace(kind=kind))


def exact_laws(spec: Spec, kinds: Sequence[str] = CHECKED_KINDS) -> Iterator[Law]:
    """The likelihoods of an exact model are those of a distribution: it sees no x_t that it is asked for."""
    for kind, width, steps in _listed(kinds):
        model = model_of(spec, kind, WIDE if steps > SMALL.max_length else SMALL, width)
        call = partial(laws.normalised, model, kind, width, steps)
        yield f"normalised/{kind}/{steps}", call


def stepwise_laws(spec: Spec, kinds: Sequence[str] = CHECKED_KINDS) -> Iterator[Law]:
    """A model that predicts each step from those before it draws what it scores, in long sequences too."""
    for kind in kinds:
        model = model_of(spec, kind, WIDE)
        if isinstance(model, AutoregressiveModel):
            yield (
                f"stepper_gives_the_features/{kind}",
                partial(laws.stepper_gives_the_features, model, batch_of(kind, WIDE)),
            )


def _listed(kinds: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """(kind, width, steps) of which all sequences are listed, of the kinds that have finitely many values."""
    for kind in kinds:
        if kind in LISTED:
            yield from ((kind, *size) for size in LISTED[kind])
        elif kind_of(kind).finite:
            values = len(kind_of(kind).values(FEW_KEYS))
            yield kind, FEW_KEYS, max(2, int(math.log(AT_MOST, max(2, values))))


def prior_laws(spec: Spec) -> Iterator[Law]:
    """Laws of a prior over latent sequences."""
    prior, (z_BTH, mask_BT) = prior_of(spec), latents_of()
    for law in (
        laws.invertible,
        laws.log_det_is_the_jacobians,
        laws.causal,
        laws.padding_invariant,
        laws.batch_independent,
        laws.gradients_of_latents,
    ):
        if law is not laws.causal or prior.causal:
            yield law.__name__, partial(law, prior, z_BTH, mask_BT)
    yield "samples_agree_with_the_density", lambda: laws.samples_agree_with_the_density(prior)
    plane = prior_of(spec, PLANE)
    yield "integrates_to_one", lambda: laws.integrates_to_one(plane)


def wide_prior_laws(spec: Spec) -> Iterator[Law]:
    """The same laws where a small instance hides a leak, and two that hold between modes."""
    prior, (z_BTH, mask_BT) = prior_of(spec, WIDE), latents_of(WIDE)
    for law in (
        laws.invertible,
        laws.padding_invariant,
        laws.batch_independent,
        laws.prior_is_the_same_in_training,
        laws.prior_is_the_same_in_float32,
    ):
        yield f"{law.__name__}/wide", partial(law, prior, z_BTH, mask_BT)
    for of_jacobians in (laws.log_det_is_the_jacobians, *([laws.causal] if prior.causal else [])):
        name = f"{of_jacobians.__name__}/wide"
        yield name, partial(of_jacobians, prior, z_BTH, mask_BT, JACOBIANS)


def sampling_law(spec: Spec, kind: str) -> Callable[[], None]:
    """The law that a model draws each short sequence as often as its likelihood says."""
    width = WIDTH if kind_of(kind).symbols else FEW_KEYS
    model = model_of(spec, kind, PLANE, width)
    return lambda: laws.samples_agree_with_the_likelihood(model, kind, width)


def _hold(name: str, law: Callable[[], None]) -> None:
    """Try a law; what a variant's own code raises on the way breaks it too."""
    try:
        law()
    except (laws.BrokenLaw, UserError):
        raise
    except Exception as problem:
        raise laws.BrokenLaw(f"{name}: {one_line(problem)}") from problem
