"""Variants of the prior as rule files declare them: one `prior(...)` statement a file, read and never run."""

import ast
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from lnf.errors import UserError
from lnf.fields import build
from lnf.plan.code_digests import sources
from lnf.spec import BUILTINS, LONGEST_NAME, Options, PriorSpec, Role

_KEYS = ("name", "label", "role", "model", "time", "hidden", "transform", "options", "draft")


@dataclass(frozen=True)
class Variant:
    """What a rule file declares: the mathematics, its options, and whether it is run only where it is selected."""

    prior: PriorSpec
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    draft: bool = False
    file: Path | None = None


@dataclass(frozen=True)
class Declared:
    """The variants of a folder by name, and the rule files that cannot be read: name of the file -> why. `drafts` are
    those of them that say that they are.
    """

    variants: Mapping[str, Variant]
    problems: Mapping[str, str]
    drafts: frozenset[str] = frozenset()


def declare(
    name: str,
    label: str,
    role: Role = "main",
    model: str = "latent",
    time: str | None = None,
    hidden: str | None = None,
    transform: str | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    draft: bool = False,
) -> Variant:
    """A variant of the prior from short names (`lnf.spec.BUILTINS`) or dotted paths of classes.

    `options`: part (time, hidden, transform, model) -> keyword-only arguments of its class. A draft is run only by
    configurations that select it by name. Raises UserError naming the key, its value and what would be right.
    """
    texts = {"name": name, "label": label, "role": role, "model": model}
    for key, value in texts.items():
        if not isinstance(value, str) or not value:
            raise UserError(f"prior {name!r}: {key}: {value!r}: must be a text")
    if not label.isprintable():
        raise UserError(f"prior {name!r}: label: {label!r}: must be one line of text, as it heads rows of tables")
    if not name.isidentifier() or name != name.lower():
        raise UserError(f"prior {name!r}: name: must be lower-case letters, digits and _, as it names files")
    if len(name) > LONGEST_NAME:
        raise UserError(f"prior {name[:20]}...: name: {len(name)} characters: must be at most {LONGEST_NAME}")
    if role not in get_args(Role):
        raise UserError(f"prior {name}: role: {role!r}: must be one of {', '.join(get_args(Role))}")
    if not isinstance(draft, bool):
        raise UserError(f"prior {name}: draft: {draft!r}: must be True or False")
    parts = {"time": time, "hidden": hidden, "transform": transform}
    if model == "latent" and None in parts.values():
        missing = [key for key, value in parts.items() if value is None]
        raise UserError(f"prior {name}: {', '.join(missing)}: missing; a latent model needs time, hidden and transform")
    if model == "lstm" and parts != dict.fromkeys(parts):
        raise UserError(f"prior {name}: time, hidden, transform: not for model 'lstm', which has no latent")
    named = {key: None if value is None else read_part(name, key, value) for key, value in parts.items()}
    prior = PriorSpec(name=name, label=label, role=role, model=read_part(name, "model", model), **named)
    chosen = build(Options, {} if options is None else options, f"prior {name}: options").model_dump(exclude_unset=True)
    return Variant(prior, chosen, draft)


def rule_files(folder: Path) -> list[Path]:
    """The `*.smk` files below a folder, without those that editors and file systems keep there (.#x.smk, ._x.smk)."""
    return sorted(path for path in folder.rglob("*.smk") if not path.name.startswith("."))


def read_all(folder: Path) -> Declared:
    """What the `*.smk` files below a folder declare. Raises UserError if there is no variant, or two of one name."""
    variants: dict[str, Variant] = {}
    problems: dict[str, str] = {}
    drafts = set()
    for file in rule_files(folder):
        try:
            variant = read(file)
        except UserError as problem:
            problems[file.stem] = str(problem)
            drafts |= {file.stem} if _says_draft(file) else set()
            continue
        name = variant.prior.name
        if name in variants:
            raise UserError(
                f"prior {name}: declared in both {_name(variants[name])} and {file.name}; give one another name"
            )
        variants[name] = variant
    if not variants and not problems:
        raise UserError(f"{folder}: no prior is declared; a file NAME.smk holds one prior(...) statement")
    return Declared(variants, problems, frozenset(drafts))


def read(file: Path) -> Variant:
    """The variant that a rule file declares. Raises UserError naming the file."""
    try:
        call, constants = _statements(file.read_text(encoding="utf-8").splitlines())
        variant = declare(**_arguments(call, constants))
    except UserError as problem:
        raise UserError(f"{file.name}: {problem}") from None
    return Variant(variant.prior, variant.options, variant.draft, file)


def _says_draft(file: Path) -> bool:
    """Whether a rule file that cannot be read has `draft=True` all the same."""
    with suppress(UserError, UnicodeDecodeError):
        call, constants = _statements(file.read_text(encoding="utf-8").splitlines())
        return _arguments(call, constants).get("draft") is True
    return False


def _name(variant: Variant) -> str:
    assert variant.file is not None
    return variant.file.name


def _statements(lines: list[str]) -> tuple[ast.Call, dict[str, ast.expr]]:
    """The `prior(...)` statement at the left margin, and the simple assignments above it: name -> value.

    The rest of a rule file is Snakemake's language, not Python.
    """
    calls: list[ast.Call] = []
    constants: dict[str, ast.expr] = {}
    for first, line in enumerate(lines):
        if line.replace(" ", "").startswith("prior(") and not line[0].isspace():
            calls.append(_call(lines, first))
        elif not calls and line.partition("=")[0].strip().isidentifier() and not line[0].isspace():
            match _statement(lines, first):
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    constants[name] = value
    if len(calls) != 1:
        raise UserError(f"has {len(calls)} prior(...) statements; must have one, at the left margin")
    return calls[0], constants


def _call(lines: list[str], first: int) -> ast.Call:
    match _statement(lines, first):
        case ast.Expr(value=ast.Call() as call):
            return call
    raise UserError(f'line {first + 1}: not a statement prior("NAME", label="...", ...)')


def _statement(lines: list[str], first: int) -> ast.stmt | None:
    """The statement that begins on a line; None if that is not Python."""
    for last in range(first + 1, len(lines) + 1):
        try:
            return ast.parse("\n".join(lines[first:last])).body[0]
        except SyntaxError:
            continue
    return None


def _arguments(call: ast.Call, constants: Mapping[str, ast.expr]) -> dict[str, Any]:
    """A call's arguments: literals, in which constants may be named."""
    pairs = [*zip(_KEYS[:1], call.args, strict=False), *((word.arg, word.value) for word in call.keywords)]
    if len(call.args) > 1:
        raise UserError('prior(...): only the name may be without a key, as in prior("af_af", label="AF / AF")')
    arguments: dict[str, Any] = {}
    for key, node in pairs:
        if key not in _KEYS:
            raise UserError(f"prior(...): {key}: unknown key; known are {', '.join(_KEYS)}")
        written = ast.unparse(node)
        try:
            arguments[key] = ast.literal_eval(_Replaced(constants).visit(node))
        except ValueError:
            right = "must be a literal, or a name that is assigned one above"
            raise UserError(f"prior(...): {key}: {written}: {right}") from None
    for key in ("name", "label"):
        if key not in arguments:
            raise UserError(f"prior(...): {key}: missing")
    return arguments


class _Replaced(ast.NodeTransformer):
    """Puts the values of constants in the place of their names."""

    def __init__(self, constants: Mapping[str, ast.expr]) -> None:
        self._constants = constants

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._constants.get(node.id, node)


def read_part(name: str, key: str, value: Any) -> str:
    """The short name of a part of a variant, or the dotted path of a class that is not built in."""
    known = BUILTINS[key]
    if not isinstance(value, str):
        raise UserError(f"prior {name}: {key}: {value!r}: must be a text")
    short = {path: short for short, path in known.items()}.get(value, value)
    if short in known:
        return short
    try:
        sources().module_of(value, "class")
    except UserError as problem:
        wanted = f"one of {', '.join(known)} or the dotted path of a class"
        raise UserError(f"prior {name}: {key}: {value!r}: must be {wanted} ({problem})") from None
    return value
