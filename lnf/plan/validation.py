"""Checks of a configuration, each mistake one line: key, value, and what would be right."""

import math
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

from lnf.errors import UserError
from lnf.fields import BOUNDS, hints_of, options_of, rather, shown
from lnf.plan.code_digests import module_of
from lnf.plan.fitting import misfits
from lnf.plan.stages import reserved
from lnf.spec import LONGEST_NAME, SECTIONS, Auto, PriorSpec, Spec

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}
_BOUNDS = {word: wording for word, (wording, _) in BOUNDS.items()} | {"minItems": "a list of at least {}"}


def check_schema(values: Mapping[str, Any], schema: Path) -> None:
    """Raise UserError for the most telling breach of the schema, if there is one."""
    for line in _not_json(values):
        raise UserError(f"config: {line}")
    form = yaml.safe_load(schema.read_text(encoding="utf-8"))
    form["$defs"] |= {name: section_schema(section) for name, section in SECTIONS.items()}
    corpora = form["properties"]["corpora"]["patternProperties"]
    ((name, entry),) = corpora.items()
    form["properties"]["corpora"]["patternProperties"] = {f"^(?!({'|'.join(sorted(reserved()))})$){name}": entry}
    validator = _Validator(form)
    error = best_match(validator.iter_errors(values))
    if error is not None:
        raise UserError(f"config: {_sentence(error)}")


def section_schema(section: type) -> dict[str, Any]:
    """The JSON schema of a section of a spec: its fields with their types and bounds."""
    hints = hints_of(section)
    properties = {item.name: _field_schema(hints[item.name]) | _bounds_of(item) for item in fields(section)}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _bounds_of(item: Field[Any]) -> dict[str, Any]:
    return {word: bound for word, bound in item.metadata.items() if word in BOUNDS}


def _field_schema(hint: Any) -> dict[str, Any]:
    if hint == Auto:
        right = "must be auto or a number, a fraction too"
        return {"if": {"type": "string"}, "then": {"const": "auto", "description": right}, "else": {"type": "number"}}
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    names = [_JSON[option] for option in options_of(hint)]
    return {"type": names[0] if len(names) == 1 else names}


_JSON = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}
# JSON's own integers include 100.0, which YAML makes of 1.0e+2 and a spec does not take for a whole number.
_whole = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
_Validator: Any = validators.extend(Draft202012Validator, type_checker=_whole)  # type: ignore[no-untyped-call]


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


def check_sources(values: Mapping[str, Any]) -> None:
    """Raise UserError if the source of a selected corpus is no function."""
    for corpus in values["select"]["corpora"]:
        try:
            module_of(values["corpora"][corpus]["prepare"]["source"], "function")
        except UserError as problem:
            raise UserError(f"config: corpora.{corpus}.prepare.source: {problem}") from None


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


def check_specs(specs: Iterable[Spec]) -> None:
    """Raise UserError if settings of planned runs do not fit together: one line with all that is wrong, once each."""
    found: dict[str, list[str]] = {}
    for spec in specs:
        for misfit in misfits(spec):
            found.setdefault(str(misfit), []).append(f"{spec.corpus}/{spec.prior.name}")
    lines = []
    for line, runs in found.items():
        first, *others = dict.fromkeys(runs)
        lines.append(f"{first}{f' and {len(others)} more' if others else ''}: {line}")
    if lines:
        raise UserError(f"config: {'; '.join(lines)}")


def check_paths(folders: Collection[Path]) -> None:
    """Raise UserError if a folder that will be written to cannot be: for a file, a dangling link, a missing right."""
    for folder in folders:
        for place in (folder, *folder.parents):
            if place.is_symlink() and not place.exists():
                target = place.readlink()
                raise UserError(f"{place}: is a link to {target}, which is not there; make that, or remove the link")
            if place.exists():
                _require_writable(place, folder)
                break


def _require_writable(place: Path, folder: Path) -> None:
    if not place.is_dir():
        raise UserError(f"{place}: is a regular file, and {folder} must be a folder; move the file away")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"{place.absolute()}: cannot be written to; allow it, or work in another folder")


def suggest(name: str, known: Collection[str]) -> str:
    """`; did you mean X?`, or the known names if none is close."""
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


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
        return f"{where}{shown(value)}: must be {' or '.join(_TYPES[name] for name in names)}{_hint(value, names)}"
    if rule == "enum":
        return f"{where}{shown(value)}: must be one of {', '.join(map(str, limit))}"
    if rule in _BOUNDS:
        return f"{where}{shown(value)}: must be {_BOUNDS[rule].format(f'{limit:g}')}"
    return f"{where}{shown(value)}: {schema.get('description', error.message)}"


def _unknown_key(error: ValidationError, path: str) -> str:
    schema: Any = error.schema
    known = list(schema.get("properties", {}))
    patterns = list(schema.get("patternProperties", {}))
    prefix = f"{path}." if path else ""
    instance: Any = error.instance
    for key in instance:
        if key in known or any(re.search(pattern, str(key)) for pattern in patterns):
            continue
        if path == "corpora" and key in reserved():
            taken = "downloaded files" if key == "raw" else f"the results of {key}"
            return f"{prefix}{key}: is the name of the folder of {taken}; give the corpus another name"
        if not known:
            return f"{prefix}{_cut(key)}: not a name; use at most {LONGEST_NAME} lower-case letters, digits and _"
        close = get_close_matches(str(key), known, n=1)
        if not path and key in SECTIONS:
            close = [f"overrides.all.{key}"]
        right = f"did you mean {prefix}{close[0]}?" if close else f"known are {', '.join(known)}"
        return f"{prefix}{_cut(key)}: unknown key; {right}"
    return error.message


def _hint(value: Any, names: Sequence[str]) -> str:
    """What surprises everyone: YAML reads 1e-3 as a text, 1.0e+2 as a fraction, and a key with nothing after it."""
    looks = isinstance(value, str) and re.fullmatch(r"[+-]?\d+e[+-]?\d+", value.lower())
    if looks and "number" in names:
        return " (YAML wants a dot: 1.0e-3)"
    if value is None:
        return " (nothing stands after the key, or null)"
    return rather(value, (int,)) if "integer" in names else ""


def _cut(key: Any) -> str:
    text = str(key) if str(key).isprintable() else repr(str(key))[1:-1]
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}... ({len(text)} characters)"
