"""Digests of the code that a stage's result depends on: of the definitions that its entry reaches, and of no others.

A result is named by them, so it has another name when its numbers can change, and for little else: moving a definition,
or a better message, renames nothing (`lnf.plan.definitions`).
"""

import ast
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Literal

from lnf.errors import UserError
from lnf.plan.definitions import Graph, Key, Module, read_module
from lnf.plan.stages import STAGES
from lnf.system.files import digest

Kind = Literal["class", "function"]

INERT = (
    "lnf.errors",  # exceptions: a name and a text
    "lnf.system",  # files are read as they were written; locks, signals, processes, provenance
    "lnf.spec",  # values, which are in the digest of the spec
    "lnf.fields",  # their types and bounds
    "lnf.plan.fitting",  # refuses a spec, or does nothing
    "lnf.plan.origin",  # says where a result comes from, and what its data are
    "lnf.runs.monitor",  # norms, seconds and memory, in a file of their own
    "lnf.runs.progress",  # what people see of a run; one that stopped goes on to the same bits
)
"""Modules and packages that change no number. tests/plan/test_inert.py has a reason for each."""

PACKAGE = Path(__file__).resolve().parent.parent
"""The folder of `lnf` itself."""

INSTALLED = ("site-packages", "dist-packages")
"""Folders whose modules are a package manager's: run.json has their versions."""


def sources() -> "Sources":
    """The sources of this lnf and of a user's own modules. A process reads each once."""
    return _sources(PACKAGE)


@cache
def _sources(package: Path) -> "Sources":
    return Sources(package)


class Sources:
    """The source files of `lnf`, in the folder `package`, and of a user's own modules, each read once."""

    def __init__(self, package: Path) -> None:
        self.package = package
        self.graph = Graph(self.load, lambda key: self._is_inert(key.module))
        self._modules: dict[str, Module] = {}
        self._places: dict[str, Any] = {}
        self._paths: dict[str, Path | None] = {}
        self._digests: dict[tuple[str, tuple[str, ...]], str] = {}

    def code_digest(self, stage: str, modules: Sequence[str] = ()) -> str:
        """Digest of the definitions that `stage` reaches, and of those that the dotted paths `modules` name and reach.

        Raises UserError if a dotted path names no class or function. Computed once a process.
        """
        key = (stage, tuple(modules))
        if key not in self._digests:
            roots = self._roots(stage, modules)
            acts = {self.graph.digest(one) for one in self._acting(roots)}
            self._digests[key] = digest([[self.graph.digest(root) for root in roots], sorted(acts)])
        return self._digests[key]

    def require_same_code(self, stage: str, modules: Sequence[str], planned: str) -> None:
        """Raise UserError if the code is no longer that of the plan: its result would bear another code's name."""
        if self.code_digest(stage, modules) != planned:
            raise UserError(f"{stage}: the code changed since this was planned; start the workflow again")

    def definitions_of(self, stage: str, modules: Sequence[str] = ()) -> dict[str, str]:
        """Definition -> digest of its own statements, of those that `code_digest` covers."""
        return {
            f"{key.module}.{key.name}": module.definitions[key.name].own
            for key in sorted(self.reached(stage, modules))
            if key.name != "*" and (module := self.load(key.module)) is not None
        }

    def sources_of(self, stage: str, modules: Sequence[str] = ()) -> list[Path]:
        """The files that `code_digest` covers, and those of inert modules that they import."""
        names = self._imported(stage, modules)
        return sorted({path for name in names if (path := self.locate(name)) is not None})

    def user_sources(self, stage: str, modules: Sequence[str] = ()) -> list[Path]:
        """The top-level packages (folders) and modules (files) of a user's own that `code_digest` covers."""
        tops = {name.partition(".")[0] for name in self._imported(stage, modules)} - {"lnf"}
        specs = map(self._spec, sorted(tops))
        return [Path(next(iter(spec.submodule_search_locations or [spec.origin]))) for spec in specs]

    def _imported(self, stage: str, modules: Sequence[str] = ()) -> set[str]:
        return self.graph.imported({key.module for key in self.graph.reached(self._roots(stage, modules))})

    def reached(self, stage: str, modules: Sequence[str] = ()) -> set[Key]:
        """The definitions that `code_digest` covers."""
        roots = self._roots(stage, modules)
        return self.graph.reached([*roots, *self._acting(roots)])

    def module_of(self, path: str, wanted: Kind | None = None) -> str:
        """The module of a dotted path. Raises UserError if there is no such module with such a name in it, or if the
        name is seen to be of another kind than `wanted`.
        """
        module, _, name = path.rpartition(".")
        found = self.load(module, installed=True) if module else None
        if found is None:
            last = "function" if wanted == "function" else "Class"
            raise UserError(f"{path}: no module of this name; give package.module.{last}")
        if name not in found.definitions and name not in found.imports:
            raise UserError(f"{path}: {module} does not define {name}")
        kind = _kind(found.definitions[name].nodes) if name in found.definitions else None
        if None not in (wanted, kind) and kind != wanted:
            raise UserError(f"{path}: is a {kind}; a {wanted} would be right")
        return module

    def arguments_of(self, path: str) -> Iterator[ast.arguments]:
        """The arguments of the function that a dotted path names, or of the constructor of a class: its own, and those
        of the class that it inherits from where it passes `**` on to it or has no constructor.
        """
        target: Key | str | None = self.graph.resolve(self.module_of(path), path.rpartition(".")[2])
        while isinstance(target, Key) and (file := self.locate(target.module)) is not None:
            name, body = target.name, _parse(file).body  # read again: what a digest covers has lost its annotations
            node = next((one for one in reversed(body) if getattr(one, "name", None) == name), None)
            function = next(filter(_is_constructor, node.body), None) if isinstance(node, ast.ClassDef) else node
            if isinstance(function, ast.FunctionDef):
                yield function.args
                if function.args.kwarg is None:
                    return
            bases = getattr(node, "bases", [])
            target = self.graph.named(target, ast.unparse(bases[0])) if bases else None

    @property
    def known(self) -> set[str]:
        """The modules that were looked for."""
        return {*self._modules, *self._places, *self._paths}

    def forget(self, wanted: Callable[[str], bool]) -> None:
        """Look for the modules that are wanted, and read them, again when they are asked for next."""
        doomed = [name for name in self.known if wanted(name)]
        for name in doomed:
            self._modules.pop(name, None)
            self._places.pop(name, None)
            self._paths.pop(name, None)
        if doomed:
            self._digests.clear()
            self.graph.clear()

    def load(self, name: str, installed: bool = False) -> Module | None:
        """A module that is followed; None for one of Python's own, of a package manager's (unless `installed`), or that
        is not there.
        """
        path = self.locate(name)
        if path is None or not (installed or set(INSTALLED).isdisjoint(path.parts)):
            return None
        if name not in self._modules:
            self._modules[name] = read_module(name, path.name == "__init__.py", _parse(path))
        return self._modules[name]

    def locate(self, module: str) -> Path | None:
        """The source file of a module, found without importing anything; None if there is none."""
        if module not in self._paths:
            found = self._spec(module)
            is_source = found is not None and found.origin is not None and found.origin.endswith(".py")
            self._paths[module] = Path(found.origin) if is_source else None
        return self._paths[module]

    def _spec(self, module: str) -> Any:
        if module not in self._places:
            self._places[module] = self._find(module)
        return self._places[module]

    def _find(self, module: str) -> Any:
        above, _, name = module.rpartition(".")
        if not module.isascii() or not name or module.partition(".")[0] in sys.stdlib_module_names:
            return None
        if not above:
            where = [str(self.package.parent)] if module == "lnf" else None
            return PathFinder.find_spec(module, where) if where else importlib.util.find_spec(module)
        package = self._spec(above)
        places = None if package is None else package.submodule_search_locations
        return PathFinder.find_spec(module, list(places)) if places else None

    def _roots(self, stage: str, modules: Iterable[str]) -> list[Key]:
        entry = STAGES[stage].code.rpartition(".")
        roots = [Key(entry[0], entry[2])]
        for path in modules:
            target = self.graph.resolve(self.module_of(path), path.rpartition(".")[2])
            roots += [target] if isinstance(target, Key) else []
        return roots

    def _acting(self, roots: Sequence[Key]) -> set[Key]:
        return self.graph.acting({key.module for key in self.graph.reached(roots)})

    @staticmethod
    def _is_inert(module: str) -> bool:
        return any(module == name or module.startswith(f"{name}.") for name in INERT)


def _is_constructor(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"


def _kind(nodes: Sequence[ast.stmt]) -> Kind | None:
    """What a name is, where its statements show it."""
    last = nodes[-1]
    if isinstance(last, ast.ClassDef):
        return "class"
    return "function" if isinstance(last, ast.FunctionDef) else None


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    except (SyntaxError, UnicodeDecodeError) as problem:
        line = f":{problem.lineno}" if isinstance(problem, SyntaxError) else ""
        raise UserError(f"{path.name}{line}: not Python: {problem}") from problem
