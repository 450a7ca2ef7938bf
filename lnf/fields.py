"""Fields of frozen dataclasses that come as plain JSON values: types, bounds, and one line for what breaks them.

Bounds stand at the fields themselves, in the words of JSON schema. They hold for whoever makes the dataclass: a
configuration, a file, a caller.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, field, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from lnf.errors import UserError

BOUNDS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "minimum": ("at least {}", lambda value, bound: value >= bound),
    "exclusiveMinimum": ("above {}", lambda value, bound: value > bound),
    "maximum": ("at most {}", lambda value, bound: value <= bound),
    "exclusiveMaximum": ("below {}", lambda value, bound: value < bound),
}
"""JSON schema's word for a bound -> (ours, whether a value keeps it)."""

_LONGEST = 60
_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}

NEUTRAL = "neutral"
"""Metadata of a field that came later: the value at which it changes nothing."""

Part = TypeVar("Part")


def bounded(default: Any, neutral: Any = None, **bounds: float) -> Any:
    """A dataclass field whose number keeps `bounds` (keys of BOUNDS); a None keeps any.

    `neutral`, for a setting that came later: the value that does what was done before the setting existed.
    """
    return field(default=default, metadata=bounds if neutral is None else {**bounds, NEUTRAL: neutral})


def hints_of(cls: type) -> dict[str, Any]:
    """Field -> type; a generic class is no key of a cache to a type checker, hence the other function."""
    return _hints(cls)


def options_of(hint: Any) -> tuple[Any, ...]:
    """The types that a field may have: those of a union, or the one."""
    return get_args(hint) if get_origin(hint) not in (None, Literal) else (hint,)


def require_fields(part: Any, name: str) -> None:
    """Raise UserError for the first field of a dataclass that is of a wrong type or out of bounds."""
    for item in fields(part):
        value, key = getattr(part, item.name), f"{name}.{item.name}" if name else item.name
        hint = hints_of(type(part))[item.name]
        if not is_dataclass(hint):
            _plain(hint, value, key)
        for wrong in broken(item.metadata, value):
            raise UserError(f"{key}: {shown(value)}: must be {wrong}")


def broken(bounds: Mapping[str, Any], value: Any) -> Iterator[str]:
    """The bounds that a value breaks, in words."""
    for word, (wording, keeps) in BOUNDS.items():
        bound = bounds.get(word)
        if bound is not None and type(value) in (int, float) and not keeps(value, bound):
            yield wording.format(f"{bound:g}")


def build(cls: type[Part], values: Any, key: str) -> Part:
    """A dataclass, and those in it, from plain values. Raises UserError that names an unknown, missing or wrong key."""
    hints = hints_of(cls)
    if not isinstance(values, Mapping):
        raise UserError(f"{key}: {shown(values)}: must be a mapping")
    for unknown in values:
        if unknown not in hints:
            raise UserError(f"{key}.{unknown}: unknown key; known are {', '.join(hints)}")
    arguments: dict[str, Any] = {}
    for item in fields(cls):  # type: ignore[arg-type]
        if item.name in values:
            arguments[item.name] = _value(hints[item.name], values[item.name], f"{key}.{item.name}")
        elif item.default is MISSING and item.default_factory is MISSING:
            raise UserError(f"{key}.{item.name}: missing")
    try:
        return cls(**arguments)
    except UserError as problem:
        raise UserError(f"{key.partition('.')[0]}.{problem}") from None


def shown(value: Any) -> str:
    """A value as its writer knows it: null, true; a long one is cut."""
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def _value(hint: Any, value: Any, key: str) -> Any:
    return build(hint, value, key) if is_dataclass(hint) else _plain(hint, value, key)  # type: ignore[arg-type]


def _plain(hint: Any, value: Any, key: str) -> Any:
    """The value as the type of its field says; an int stands for a float."""
    for option in options_of(hint):
        if get_origin(option) is Literal and value in get_args(option):
            return value
        if option is type(value):
            return value
        if option is float and type(value) is int:
            return float(value)
    raise UserError(f"{key}: {shown(value)}: must be {_wording(options_of(hint))}{rather(value, options_of(hint))}")


def rather(value: Any, options: tuple[Any, ...]) -> str:
    """What was meant by a number that is written as another kind of value."""
    if int in options and type(value) is float and value.is_integer() and abs(value) < 1e15:
        return f", written without a dot or an exponent: {int(value)}"
    return ""


def _wording(options: tuple[Any, ...]) -> str:
    return " or ".join(_WORDS.get(option) or " or ".join(map(str, get_args(option))) for option in options)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)
