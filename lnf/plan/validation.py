"""Checks of a configuration, each mistake one line: key, value, and what would be right."""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from lnf.errors import UserError
from lnf.spec import BUILTINS, SECTIONS, PriorSpec, Spec

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minItems": "a list of at least {}",
}


def check_schema(values: Mapping[str, Any], schema: Path) -> None:
    """Raise UserError for the most telling breach of the schema, if there is one."""
    for line in _not_json(values):
        raise UserError(f"config: {line}")
    validator = Draft202012Validator(yaml.safe_load(schema.read_text(encoding="utf-8")))
    error = best_match(validator.iter_errors(values))
    if error is not None:
        raise UserError(f"config: {_sentence(error)}")


def check_names(values: Mapping[str, Any], priors: Collection[str]) -> None:
    """Raise UserError if a corpus or prior is named that nothing defines."""
    corpora = values["corpora"]
    selected = values["select"]["priors"]
    named = [
        ("select.corpora", values["select"]["corpora"], corpora, "corpus"),
        ("select.priors", [] if selected == "all" else selected, priors, "prior"),
        ("priors", values["priors"], priors, "prior"),
        ("overrides.corpora", values["overrides"]["corpora"], corpora, "corpus"),
        ("overrides.priors", values["overrides"]["priors"], priors, "prior"),
    ]
    for key, names, known, what in named:
        for name in names:
            if name not in known:
                raise UserError(f"config: {key}: {name}: unknown {what}{suggest(name, known)}")


def check_selection(
    values: Mapping[str, Any], priors: Mapping[str, PriorSpec], runs: Sequence[tuple[str, str, int]]
) -> None:
    """Raise UserError if a selected corpus or prior would be in no run, which is never what was meant."""
    for corpus in values["select"]["corpora"]:
        if corpus not in {run[0] for run in runs}:
            roles = ", ".join(values["corpora"][corpus]["roles"])
            raise UserError(f"config: select.corpora: {corpus}: no selected prior has a role that it trains ({roles})")
    for prior in [] if values["select"]["priors"] == "all" else values["select"]["priors"]:
        if prior not in {run[1] for run in runs}:
            role = priors[prior].role
            raise UserError(f"config: select.priors: {prior}: no selected corpus trains its role ({role})")


def check_spec(spec: Spec) -> None:
    """Raise UserError if the settings of a planned run do not fit together."""
    for key, value, right in _misfits(spec):
        raise UserError(f"config: {spec.corpus}/{spec.prior.name}: {key}: {value}: {right}")


def check_paths(folders: Collection[Path]) -> None:
    """Raise UserError if a folder that will be written to lies at or below a regular file."""
    for folder in folders:
        for place in (folder, *folder.parents):
            if place.exists() and not place.is_dir():
                raise UserError(f"{place}: is a regular file, and {folder} must be a folder; move the file away")


def suggest(name: str, known: Collection[str]) -> str:
    """`; did you mean X?`, or the known names if none is close."""
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def _misfits(spec: Spec) -> Iterator[tuple[str, Any, str]]:
    """(key, value, what would be right) of settings that cannot work together."""
    model, train = spec.model, spec.train
    if spec.prior.hidden == BUILTINS["hidden"]["af"] and model.flow_hidden <= model.latent:
        yield "model.flow_hidden", model.flow_hidden, f"must exceed model.latent ({model.latent}) with hidden 'af'"
    if spec.prior.role == "picture" and model.latent != 2:
        yield "model.latent", model.latent, "must be 2 with role 'picture', which is looked at as a plane"
    if spec.prior.hidden == BUILTINS["hidden"]["scf"] and model.latent < 2:
        yield "model.latent", model.latent, "must be at least 2 with hidden 'scf', which splits it"
    if spec.prior.hidden == BUILTINS["hidden"]["none"] and model.flow_layers != 1:
        yield "model.flow_layers", model.flow_layers, "must be 1 with hidden 'none', which transforms once"
    first = train.kl_floor_epochs + train.kl_ramp_epochs + 1
    if train.kl_anneal and train.epochs <= first:
        needed = f"kl_floor_epochs + kl_ramp_epochs + 1 = {first}"
        yield "train.epochs", train.epochs, f"must exceed {needed}: a best epoch is chosen only after the ramp"
    drawn = (spec.subset.train, spec.subset.valid, spec.subset.test, spec.subset.max_length)
    if spec.lengths.smoothing == "none" and drawn != (None, None, None, None):
        yield "lengths.smoothing", "none", "must be add_one when subset draws from a corpus"


def _not_json(value: Any, path: str = "") -> Iterator[str]:
    """What YAML can say and JSON cannot: keys that are no texts, numbers that are not finite."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            where = f"{path}.{key}" if path else str(key)
            if not isinstance(key, str):
                yield f"{where}: a key must be a text; put it in quotes"
            else:
                yield from _not_json(item, where)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_json(item, f"{path}.{index}")
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{path}: {value}: must be a finite number"


def _sentence(error: ValidationError) -> str:
    """One line for a breach of the schema."""
    path = ".".join(str(part) for part in error.absolute_path)
    where = f"{path}: " if path else ""
    rule: str = str(error.validator)
    value: Any = error.instance
    limit: Any = error.validator_value
    schema: Any = error.schema
    if rule == "additionalProperties":
        return _unknown_key(error, path)
    if rule == "required":
        return f"{where}{next(key for key in limit if key not in value)}: missing"
    if rule == "type":
        names = [limit] if isinstance(limit, str) else limit
        return f"{where}{value!r}: must be {' or '.join(_TYPES[name] for name in names)}{_hint(value, names)}"
    if rule == "enum":
        return f"{where}{value!r}: must be one of {', '.join(map(str, limit))}"
    if rule in _BOUNDS:
        return f"{where}{value!r}: must be {_BOUNDS[rule].format(limit)}"
    return f"{where}{value!r}: {schema.get('description', error.message)}"


def _unknown_key(error: ValidationError, path: str) -> str:
    schema: Any = error.schema
    known = list(schema.get("properties", {}))
    patterns = list(schema.get("patternProperties", {}))
    prefix = f"{path}." if path else ""
    instance: Any = error.instance
    for key in instance:
        if key in known or any(re.search(pattern, str(key)) for pattern in patterns):
            continue
        if not known:
            return f"{prefix}{key}: not a name; use lower-case letters, digits and _"
        close = get_close_matches(str(key), known, n=1)
        if not path and key in SECTIONS:
            close = [f"overrides.all.{key}"]
        right = f"did you mean {prefix}{close[0]}?" if close else f"known are {', '.join(known)}"
        return f"{prefix}{key}: unknown key; {right}"
    return error.message


def _hint(value: Any, names: Sequence[str]) -> str:
    """YAML reads 1e-3 as a text, which surprises everyone."""
    looks = isinstance(value, str) and re.fullmatch(r"[+-]?\d+e[+-]?\d+", value.lower())
    return " (YAML wants a dot: 1.0e-3)" if looks and "number" in names else ""
