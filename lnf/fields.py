"""Values that users write: the base of their models, and one line for each mistake.

Types and bounds are stated at the fields. They hold for a configuration, a file and a caller alike.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from lnf.errors import UserError

LONGEST = 64
"""Characters of a key that is shown whole; of a value, as well."""
UNKNOWN, REMEDY = "unknown_key", "remedy"
"""Types of our own errors: a key that is not known, and a value with a remedy of its own."""

_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "none_required": "null",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "finite_number": "a finite number",
    "string_too_short": "a text that is not empty",
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "above {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "below {lt:g}",
    "too_short": "a list of at least {min_length}",
    REMEDY: "{right}",
}
"""Pydantic's type of an error -> what the value must be."""


class Checked(BaseModel):
    """A frozen set of values, each of its field's type and within its bounds.

    Making one raises pydantic's ValidationError; `build` raises UserError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def replace(self, **changes: Any) -> Self:
        """A copy with other values of some fields, which are checked."""
        return type(self)(**{**dict(self), **changes})

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        for key in values if isinstance(values, Mapping) else ():
            if key not in cls.model_fields:
                raise PydanticCustomError(UNKNOWN, "unknown key", {"key": key, "right": cls._meant(key)})
        return values

    @classmethod
    def _meant(cls, key: str) -> str:
        """What may have been meant by an unknown key; a question mark at its end asks for the place before it."""
        close = get_close_matches(str(key), cls.model_fields, n=1)
        return f"{close[0]}?" if close else f"known are {', '.join(cls.model_fields)}"


class Neutral:
    """Metadata of a setting that came later: the value that does what was done before it existed."""

    def __init__(self, value: Any) -> None:
        self.value = value


Part = TypeVar("Part", bound=BaseModel)


def build(cls: type[Part], values: Any, key: str) -> Part:
    """A model from plain values. Raises UserError that names the key, its value and the remedy."""
    try:
        return cls.model_validate(values)
    except ValidationError as problem:
        raise UserError(mistake(problem, values, key)) from None


def remedy(right: str) -> PydanticCustomError:
    """The error of a validator: what the value must be."""
    return PydanticCustomError(REMEDY, "must be {right}", {"right": right})


def mistake(problem: ValidationError, values: Any, key: str) -> str:
    """The first mistake in one line; what each type of a union would take is joined."""
    errors = problem.errors(include_url=False)
    places = [list(_place(error["loc"], values)) for error in errors]
    first, place = errors[0], [*filter(None, [key]), *map(shortened, places[0])]
    where = ".".join(place)
    if first["type"] == UNKNOWN:
        right: str = first["ctx"]["right"]
        if right.endswith("?"):
            right = f"did you mean {'.'.join([*place, right])}"
        return f"{'.'.join([*place, shortened(first['ctx']['key'])])}: unknown key; {right}"
    if first["type"] == "missing":
        return f"{where}: missing"
    wanted = [
        _wanted(error) for error, other in zip(errors, places, strict=True) if other == places[0] and _wanted(error)
    ]
    right = " or ".join(dict.fromkeys(wanted)) or first["msg"]
    if first["loc"][-1:] == ("[key]",):
        return f"{where}: {'a key must be a text; put it in quotes' if right == 'a text' else f'must be {right}'}"
    return f"{where}: {shown(first['input'])}: must be {right}{_hint(first['input'], right)}"


def shown(value: Any) -> str:
    """A value as its writer knows it: null, true; a long one is cut."""
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"


def shortened(key: Any) -> str:
    """A key on one line; a long one is cut."""
    text = str(key) if str(key).isprintable() else repr(str(key))[1:-1]
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"


def _place(location: Sequence[int | str], values: Any) -> Iterator[int | str]:
    """The keys that lead to a value; the names that pydantic gives the types of a union are not among them."""
    for part in location:
        if isinstance(values, Mapping) and part != "[key]":
            yield part
            values = values.get(part)
        elif isinstance(values, Sequence) and isinstance(part, int):
            yield part
            values = values[part]
        elif isinstance(values, BaseModel):
            yield part
            values = getattr(values, str(part), None)


def _wanted(error: Any) -> str:
    if error["type"] == "literal_error":
        names = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        return f"one of {', '.join(names)}" if len(names) > 1 else names[0]
    return _KINDS.get(error["type"], "").format(**error.get("ctx", {}))


def _hint(value: Any, right: str) -> str:
    """What surprises everyone: YAML reads 1e-3 as a text, 1.0e+2 as a fraction, and a key with nothing after it."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+e[+-]?\d+", value.lower()) and "number" in right:
        return " (YAML wants a dot: 1.0e-3)"
    if value is None:
        return " (there is nothing after the key, or null)"
    if type(value) is float and value.is_integer() and abs(value) < 1e15 and "whole" in right:
        return f", written without a dot or an exponent: {int(value)}"
    return ""
