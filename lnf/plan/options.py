"""Options of a user's classes and readers: the keyword-only arguments of a constructor or function.

They are read from its source, so that nothing is imported: each has an annotation (int, float, str, bool, None,
Literal, or a union of them) and perhaps a default, a literal.
"""

import ast
from collections.abc import Mapping
from functools import cache, reduce
from operator import or_
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from lnf.errors import UserError
from lnf.fields import mistake
from lnf.plan.code_digests import sources
from lnf.spec import Value

_TYPES = {"int": int, "float": float, "str": str, "bool": bool}
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


class _Required:
    """The default of an option that has none."""


def known_options(path: str) -> frozenset[str]:
    """The names of the options of the class or function that a dotted path names."""
    return frozenset(_options(path))


def complete(path: str, given: Mapping[str, Value], key: str) -> dict[str, Value]:
    """All options of a class or function: those that are given, checked, and defaults for the others.

    Raises UserError that names `key` and the option, for one that is unknown, missing or of a wrong type.
    """
    options = _options(path)
    for name in given:
        if name not in options:
            known = f"known are {', '.join(options)}" if options else "it has no keyword-only arguments"
            raise UserError(f"{key}.{name}: {path} has no such option; {known}")
    return {
        name: _checked(f"{key}.{name}", given.get(name, default), kind) for name, (kind, default) in options.items()
    }


def changed(path: str, chosen: Mapping[str, Value]) -> list[str]:
    """The options that are not at their defaults, as `name = value`."""
    known = _options(path)
    return [f"{name} = {value}" for name, value in chosen.items() if name not in known or known[name][1] != value]


def _checked(key: str, value: Any, kind: Any) -> Any:
    if value is _Required:
        raise UserError(f"{key}: missing; it has no default")
    try:
        return TypeAdapter(kind, config=_STRICT).validate_python(value)
    except ValidationError as problem:
        raise UserError(mistake(problem, value, key)) from None


@cache
def _options(path: str) -> dict[str, tuple[Any, Any]]:
    """Option -> (its type, its default)."""
    found: dict[str, tuple[Any, Any]] = {}
    for arguments in sources().arguments_of(path):
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if argument.arg not in found:
                found[argument.arg] = (_type(path, argument), _default(path, argument.arg, default))
    return found


def _type(path: str, argument: ast.arg) -> Any:
    written = f": {ast.unparse(argument.annotation)}" if argument.annotation else ""
    try:
        return _hint(argument.annotation)
    except (KeyError, ValueError):
        raise UserError(
            f"{path}: option {argument.arg}{written}: annotate it with int, float, str, bool, None, Literal or a union"
        ) from None


def _hint(node: ast.expr | None) -> Any:
    match node:
        case ast.Name(id=name):
            return _TYPES[name]
        case ast.Constant(value=None):
            return None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return reduce(or_, (part if part is not None else type(None) for part in (_hint(left), _hint(right))))
        case ast.Subscript(value=ast.Name(id="Literal") | ast.Attribute(attr="Literal"), slice=inside):
            values = ast.literal_eval(inside)
            return Literal[values]
    raise ValueError


def _default(path: str, name: str, node: ast.expr | None) -> Any:
    if node is None:
        return _Required
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise UserError(f"{path}: option {name}: its default {ast.unparse(node)} must be a literal") from None
