"""Digests that identify a run: of its spec, of its data and of the code that its result depends on.

Code is read as syntax trees, never imported: comments, docstrings and layout do not count, and neither does a module
that the run does not reach.
"""

import ast
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Literal

from lnf.errors import UserError
from lnf.spec import Spec
from lnf.system.files import digest

Stage = Literal["data", "check", "train", "evaluate", "gather", "tables"]

ROOTS: dict[str, str] = {
    "data": "lnf.corpora.prepare",
    "check": "lnf.laws.check",
    "train": "lnf.runs.training",
    "evaluate": "lnf.runs.evaluation",
    "gather": "lnf.report.gather",
    "tables": "lnf.report.tables",
}
"""The module that each stage starts from."""

PACKAGE = Path(__file__).parent.parent
"""The folder of `lnf` itself."""

_WITHOUT_EFFECT = frozenset({"addresses", "mirror", "bytes", "expect"})
"""Keys of corpus settings that do not change what is prepared: with its sha256 fixed, a file may come from anywhere."""


def code_digest(stage: Stage, modules: Sequence[str] = ()) -> str:
    """Digest of the modules that `stage` reaches by imports, together with those of the dotted paths `modules`.

    Raises UserError if a dotted path names no class.
    """
    return digest(reached(stage, modules))


def reached(stage: Stage, modules: Sequence[str] = ()) -> dict[str, str]:
    """Module -> its code without docstrings, of the modules that `code_digest` covers."""
    found: dict[str, str] = {}
    waiting = [ROOTS[stage], *map(module_of, modules)]
    packages = {name.partition(".")[0] for name in waiting}
    while waiting:
        name = waiting.pop()
        path = locate(name)
        if name in found or path is None:
            continue
        found[name], imported = _read(path, path.stat().st_mtime_ns)
        waiting.extend(_parents(name))
        if path.is_relative_to(PACKAGE) or "site-packages" not in path.parts:
            targets = [_absolute(target, name, path) for target in imported]
            waiting.extend(target for target in targets if target.partition(".")[0] in packages)
    return found


def train_identity(spec: Spec) -> dict[str, Any]:
    """The part of a spec that a trained model depends on, as JSON values.

    Names for people, evaluation and resources do not count; the number of CPU threads does, since it changes bits.
    """
    values = spec.to_dict()
    for key in ("label", "role"):
        del values["prior"][key]
    del values["evaluate"], values["train"]["state_minutes"]
    values["resources"] = {"cpus": spec.resources.cpus}
    return values


def spec_digest(spec: Spec) -> str:
    """Digest of `train_identity(spec)`."""
    return digest(train_identity(spec))


def data_digest(settings: Mapping[str, Any]) -> str:
    """Digest of what `prepare` is given for a corpus: its settings with the raw files' sha256, without addresses."""
    return digest(_effective(settings))


def run_digests(spec: Spec, settings: Mapping[str, Any]) -> dict[str, str]:
    """The three digests of a run, `settings` being its corpus' prepare settings."""
    return {
        "spec": spec_digest(spec),
        "code": code_digest("train", spec.prior.paths),
        "data": data_digest(settings),
    }


def module_of(path: str) -> str:
    """The module of a class' dotted path. Raises UserError if there is no such module with such a name in it."""
    module, _, name = path.rpartition(".")
    file = locate(module) if module else None
    if file is None:
        raise UserError(f"{path}: no module of this name; give package.module.Class")
    if not _defines(file, name):
        raise UserError(f"{path}: {module} does not define {name}")
    return module


def locate(module: str) -> Path | None:
    """The source file of a module, found without importing anything; None if there is none."""
    top, *rest = module.split(".")
    if top == "lnf":
        places, file = [str(PACKAGE)], PACKAGE / "__init__.py"
    else:
        spec = importlib.util.find_spec(top) if top else None
        if spec is None or spec.origin is None:
            return None
        places, file = list(spec.submodule_search_locations or []), Path(spec.origin)
    for depth in range(len(rest)):
        name = ".".join([top, *rest[: depth + 1]])
        found = PathFinder.find_spec(name, places)
        if found is None or found.origin is None:
            return None
        places, file = list(found.submodule_search_locations or []), Path(found.origin)
    return file if file.suffix == ".py" else None


@cache
def _read(path: Path, changed_ns: int) -> tuple[str, tuple[str, ...]]:
    """A file's code without docstrings, and what it imports (leading dots kept)."""
    tree = _Bare().visit(_parse(path))
    return ast.unparse(tree), tuple(_imports(tree))


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(), str(path))
    except SyntaxError as problem:
        raise UserError(f"{path.name}:{problem.lineno}: not Python: {problem.msg}") from problem


class _Bare(ast.NodeTransformer):
    """Drops statements that are only text, and imports that only a type checker sees."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        checking = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if checking else self.generic_visit(node)


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


def _defines(path: Path, name: str) -> bool:
    return name in _names(path, path.stat().st_mtime_ns)


@cache
def _names(path: Path, changed_ns: int) -> frozenset[str]:
    """The names that a file defines at its top level."""
    names: set[str] = set()
    for node in _parse(path).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return frozenset(names)


def _effective(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _effective(item) for key, item in value.items() if key not in _WITHOUT_EFFECT}
    if isinstance(value, list | tuple):
        return [_effective(item) for item in value]
    return value
