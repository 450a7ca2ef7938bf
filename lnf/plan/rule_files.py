"""Variants of the prior as rule files declare them: one literal `prior(...)` statement a file, never run."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from lnf.errors import UserError
from lnf.plan.code_digests import module_of
from lnf.spec import BUILTINS, LONGEST_NAME, PriorSpec, Role

_KEYS = ("name", "label", "role", "model", "time", "hidden", "transform")


def declare(
    name: str,
    label: str,
    role: Role = "main",
    model: str = "latent",
    time: str | None = None,
    hidden: str | None = None,
    transform: str | None = None,
) -> PriorSpec:
    """A variant of the prior from short names (`lnf.spec.BUILTINS`) or dotted paths of classes.

    Raises UserError naming the key, its value and what would be right.
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
    parts = {"time": time, "hidden": hidden, "transform": transform}
    if model == "latent" and None in parts.values():
        missing = [key for key, value in parts.items() if value is None]
        raise UserError(f"prior {name}: {', '.join(missing)}: missing; a latent model needs time, hidden and transform")
    if model == "lstm" and parts != dict.fromkeys(parts):
        raise UserError(f"prior {name}: time, hidden, transform: not for model 'lstm', which has no latent")
    named = {key: None if value is None else read_part(name, key, value) for key, value in parts.items()}
    return PriorSpec(name=name, label=label, role=role, model=read_part(name, "model", model), **named)


def rule_files(folder: Path) -> list[Path]:
    """The `*.smk` files of a folder, without those that editors and file systems keep there (.#x.smk, ._x.smk)."""
    return sorted(path for path in folder.glob("*.smk") if not path.name.startswith("."))


def read_all(folder: Path) -> dict[str, PriorSpec]:
    """Name -> variant, of every `*.smk` file of a folder. Raises UserError, for two files of one name too."""
    variants: dict[str, PriorSpec] = {}
    files: dict[str, Path] = {}
    for file in rule_files(folder):
        variant = read(file)
        if variant.name in variants:
            both = f"{files[variant.name].name} and {file.name}"
            raise UserError(f"prior {variant.name}: declared in both {both}; give one another name")
        variants[variant.name], files[variant.name] = variant, file
    if not variants:
        raise UserError(f"{folder}: no prior is declared; a file NAME.smk holds one prior(...) statement")
    return variants


def read(file: Path) -> PriorSpec:
    """The variant that a rule file declares. Raises UserError naming the file."""
    calls = list(_statements(file))
    if len(calls) != 1:
        raise UserError(f"{file.name}: has {len(calls)} prior(...) statements; must have one, at the left margin")
    try:
        return declare(**_arguments(calls[0]))
    except UserError as problem:
        raise UserError(f"{file.name}: {problem}") from None


def _statements(file: Path) -> Iterator[ast.Call]:
    """The top-level `prior(...)` statements. The rest of a rule file is Snakemake's language, not Python."""
    lines = file.read_text(encoding="utf-8").splitlines()
    for first, line in enumerate(lines):
        if line.replace(" ", "").startswith("prior(") and not line[0].isspace():
            yield _call(file, lines, first)


def _call(file: Path, lines: list[str], first: int) -> ast.Call:
    for last in range(first + 1, len(lines) + 1):
        try:
            statement = ast.parse("\n".join(lines[first:last])).body[0]
        except SyntaxError:
            continue
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            return statement.value
        break
    raise UserError(f'{file.name}:{first + 1}: not a statement prior("NAME", label="...", ...)')


def _arguments(call: ast.Call) -> dict[str, Any]:
    """A call's arguments, which must be literals."""
    pairs = [*zip(_KEYS[:1], call.args, strict=False), *((word.arg, word.value) for word in call.keywords)]
    if len(call.args) > 1:
        raise UserError('prior(...): only the name may stand without a key, as in prior("af_af", label="AF / AF")')
    arguments: dict[str, Any] = {}
    for key, node in pairs:
        if key not in _KEYS:
            raise UserError(f"prior(...): {key}: unknown key; known are {', '.join(_KEYS)}")
        try:
            arguments[key] = ast.literal_eval(node)
        except ValueError:
            raise UserError(f"prior(...): {key}: {ast.unparse(node)}: must be a literal text") from None
    for key in ("name", "label"):
        if key not in arguments:
            raise UserError(f"prior(...): {key}: missing")
    return arguments


def read_part(name: str, key: str, value: Any) -> str:
    """The short name of a part of a variant, or the dotted path of a class that is not built in."""
    known = BUILTINS[key]
    if not isinstance(value, str):
        raise UserError(f"prior {name}: {key}: {value!r}: must be a text")
    short = {path: short for short, path in known.items()}.get(value, value)
    if short in known:
        return short
    try:
        module_of(value, "class")
    except UserError as problem:
        wanted = f"one of {', '.join(known)} or the dotted path of a class"
        raise UserError(f"prior {name}: {key}: {value!r}: must be {wanted} ({problem})") from None
    return value
