"""Digests of the code that a stage's result depends on.

Code is read as syntax trees, never imported: comments, docstrings and layout do not count, and neither does a module
that the stage does not reach. The digest is of the tree's own nodes and not of text that Python makes of them, so that
it is the same whichever Python computes it.
"""

import ast
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Literal

from lnf.errors import UserError
from lnf.system.files import digest

Stage = Literal[
    "data", "check", "train", "evaluate", "toy", "speed", "modes", "bounds", "gather", "tables", "figures", "samples",
    "page",
]  # fmt: skip

Kind = Literal["class", "function"]

ROOTS: dict[Stage, str] = {
    "data": "lnf.corpora.prepare",
    "check": "lnf.laws.check",
    "train": "lnf.runs.training",
    "evaluate": "lnf.runs.evaluation",
    "toy": "lnf.runs.toy",
    "speed": "lnf.runs.speed",
    "modes": "lnf.runs.modes",
    "bounds": "lnf.runs.bounds",
    "gather": "lnf.report.gather",
    "tables": "lnf.report.tables",
    "figures": "lnf.report.figures.write",
    "samples": "lnf.report.samples.write",
    "page": "lnf.report.page.write",
}
"""The module that each stage starts from."""

PACKAGE = Path(__file__).resolve().parent.parent
"""The folder of `lnf` itself."""

INSTALLED = ("site-packages", "dist-packages")
"""Folders whose modules are a package manager's: run.json has their versions."""

_FORGOTTEN = ("ctx", "kind", "type_comment", "type_ignores")
"""Fields of a node that follow from the rest of the tree, or that are comments."""


def code_digest(stage: Stage, modules: Sequence[str] = ()) -> str:
    """Digest of the modules that `stage` reaches by imports, together with those of the dotted paths `modules`.

    Raises UserError if a dotted path names no class.
    """
    return digest(reached(stage, modules))


def require_same_code(stage: Stage, modules: Sequence[str], planned: str) -> None:
    """Raise UserError if the code is no longer that of the plan: its result would bear another code's name."""
    if code_digest(stage, modules) != planned:
        raise UserError(f"{stage}: the code changed since this was planned; start the workflow again")


def reached(stage: Stage, modules: Sequence[str] = ()) -> dict[str, str]:
    """Module -> digest of its code, of the modules that `code_digest` covers: lnf's and a user's own."""
    found: dict[str, str] = {}
    waiting = [ROOTS[stage], *map(module_of, modules)]
    while waiting:
        name = waiting.pop()
        if name in found or name.partition(".")[0] in sys.stdlib_module_names:
            continue
        path = locate(name)
        if path is None or not set(INSTALLED).isdisjoint(path.parts):
            continue
        found[name], imported = _read(path, path.stat().st_mtime_ns)
        waiting.extend(_parents(name))
        waiting.extend(_absolute(target, name, path) for target in imported)
    return found


def module_of(path: str, wanted: Kind | None = None) -> str:
    """The module of a dotted path. Raises UserError if there is no such module with such a name in it, or if the name
    is seen to be of another kind than `wanted`.
    """
    module, _, name = path.rpartition(".")
    file = locate(module) if module else None
    if file is None:
        last = "function" if wanted == "function" else "Class"
        raise UserError(f"{path}: no module of this name; give package.module.{last}")
    kinds = _names(file, file.stat().st_mtime_ns)
    if name not in kinds:
        raise UserError(f"{path}: {module} does not define {name}")
    if None not in (wanted, kinds[name]) and kinds[name] != wanted:
        raise UserError(f"{path}: is a {kinds[name]}; a {wanted} would be right")
    return module


def locate(module: str) -> Path | None:
    """The source file of a module, found without importing anything; None if there is none."""
    top, *rest = module.split(".")
    found = _top(top)
    for depth in range(len(rest)):
        places = None if found is None else found.submodule_search_locations
        if not places:
            return None
        found = PathFinder.find_spec(".".join([top, *rest[: depth + 1]]), list(places))
    if found is None or found.origin is None or not found.origin.endswith(".py"):
        return None
    return Path(found.origin)


def _top(name: str) -> Any:
    if name == "lnf":
        return PathFinder.find_spec(name, [str(PACKAGE.parent)])
    return importlib.util.find_spec(name) if name else None


@cache
def _read(path: Path, changed_ns: int) -> tuple[str, tuple[str, ...]]:
    """A file's digest without docstrings, and what it imports (leading dots kept)."""
    tree = _Bare().visit(_parse(path))
    return digest(_plain(tree)), tuple(_imports(tree))


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    except (SyntaxError, UnicodeDecodeError) as problem:
        line = f":{problem.lineno}" if isinstance(problem, SyntaxError) else ""
        raise UserError(f"{path.name}{line}: not Python: {problem}") from problem


class _Bare(ast.NodeTransformer):
    """Drops statements that are only text, and imports that only a type checker sees."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        checking = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if checking else self.generic_visit(node)


def _plain(value: Any) -> Any:
    """A syntax tree as lists and texts. An empty field is left out, so that one which a later Python adds is too."""
    if isinstance(value, ast.Constant):
        return [type(value.value).__name__, ascii(value.value)]
    if isinstance(value, ast.JoinedStr):
        # Python 3.12 leaves empty texts in some f-strings.
        return ["JoinedStr", *(_plain(part) for part in value.values if getattr(part, "value", None) != "")]
    if isinstance(value, ast.AST):
        fields = {name: field for name, field in ast.iter_fields(value) if name not in _FORGOTTEN}
        kept = [[name, _plain(field)] for name, field in fields.items() if field is not None and field != []]
        return [type(value).__name__, *kept]
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            stem = base if base.endswith(".") else f"{base}."
            yield from (stem + alias.name for alias in node.names)


def _absolute(target: str, module: str, path: Path) -> str:
    """An import's target as an absolute name, given the module that imports it and its file."""
    level = len(target) - len(target.lstrip("."))
    if not level:
        return target
    parts = module.split(".")
    package = parts if path.name == "__init__.py" else parts[:-1]
    base = package[: len(package) - level + 1]
    return ".".join([*base, *filter(None, [target[level:]])])


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts))]


@cache
def _names(path: Path, changed_ns: int) -> dict[str, Kind | None]:
    """The names that a file defines at its top level, and what they are, where that is seen."""
    kinds: dict[str, Kind | None] = {}
    for node in _parse(path).body:
        if isinstance(node, ast.ClassDef):
            kinds[node.name] = "class"
        elif isinstance(node, ast.FunctionDef):
            kinds[node.name] = "function"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            kinds.update({alias.asname or alias.name: None for alias in node.names})
        elif isinstance(node, ast.Assign):
            kinds.update({target.id: None for target in node.targets if isinstance(target, ast.Name)})
    return kinds
