"""Source files as definitions that refer to each other: read as syntax trees, never imported.

A definition is what a name of a module is bound to by its top-level statements: a function, a class with its methods,
bases and decorators, a constant. Its digest covers its own syntax tree and, by the names that it uses, the digests of
the definitions that these refer to, in whichever module they are. Definitions that refer to each other
share one digest.

What changes no number is left out: comments, layout, docstrings, annotations, and texts in `raise`, `assert`, `print`
and log calls. A local name is no reference. In doubt a definition counts: a module that is used as a value, or that
`import_module` is given by name, counts whole, and statements that act when a module is imported always count. The
digest is of the tree's own nodes, so that it is the same whichever Python computes it.
"""

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from lnf.plan.syntax import Bare, References, bound_by, called_at_import, imports_of, is_main, is_text, plain, source_of
from lnf.system.files import digest


class Key(NamedTuple):
    """A definition: a module and a name that it binds. The name "*" is the whole module."""

    module: str
    name: str


@dataclass
class Definition:
    """The statements that bind a name in a module, and what they refer to."""

    module: str
    is_package: bool
    nodes: list[ast.stmt] = field(default_factory=list)

    @cached_property
    def bare(self) -> list[Any]:
        """The statements without what changes no number."""
        return [Bare().visit(node) for node in self.nodes]

    @cached_property
    def own(self) -> str:
        """The digest of the statements without what they refer to."""
        return digest([plain(node) for node in self.bare])

    @cached_property
    def references(self) -> "References":
        """The names and imports in the statements."""
        _ = self.bare  # which takes references in texts that do not count out of the nodes
        found = References(self.module, self.is_package)
        for node in self.nodes:
            found.visit(node)
        return found


@dataclass
class Module:
    """A source file: what it defines, what it imports, and statements that act when it is imported."""

    name: str
    is_package: bool
    definitions: dict[str, Definition]
    imports: dict[str, tuple[str, str | None]]
    """Name -> (module, name in it; None: the module itself)."""
    stars: list[str]
    """Modules of which all names are imported."""
    acts: list[str]
    """Names of the definitions that act when the module is imported, whether or not they are referred to."""

    @property
    def imported(self) -> Iterator[tuple[str, str | None]]:
        """What is imported here and inside definitions: (module, name in it; None: the module itself)."""
        yield from ((star, None) for star in self.stars)
        yield from self.imports.values()
        for definition in self.definitions.values():
            yield from definition.references.imports.values()


def read_module(name: str, is_package: bool, tree: ast.Module) -> Module:
    """What a file defines, from its syntax tree."""
    module = Module(name, is_package, {}, {}, [], [])
    for number, node in enumerate(tree.body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module.imports |= imports_of(node, name, is_package)
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                module.stars.append(source_of(node, name, is_package))
            continue
        if is_text(node) or is_main(node):
            continue
        names = list(dict.fromkeys(bound_by(node)))
        if not names or not isinstance(
            node, ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign | ast.AugAssign
        ):
            module.acts.append(f"<statement {number}>")
            names.append(f"<statement {number}>")
        for bound in names:
            module.definitions.setdefault(bound, Definition(name, is_package)).nodes.append(node)
    return module


class Graph:
    """Definitions of many modules, their digests, and what can be reached from them.

    `load` gives a module by its name, None for one that is not followed; `inert` says of a key that nothing of it
    changes a number.
    """

    def __init__(self, load: Callable[[str], Module | None], inert: Callable[[Key], bool]) -> None:
        self.load, self.inert = load, inert
        self._digests: dict[Key, str] = {}
        self._targets: dict[Key, dict[str, Key | str]] = {}
        self._imports: dict[str, frozenset[str]] = {}
        self._acts: dict[str, frozenset[Key]] = {}

    def clear(self) -> None:
        """Forget what was derived from modules."""
        self._digests.clear()
        self._targets.clear()
        self._imports.clear()
        self._acts.clear()

    def digest(self, key: Key) -> str:
        """The digest of a definition and of all that it refers to."""
        if key not in self._digests:
            self._walk(key)
        return self._digests[key]

    def reached(self, roots: Iterable[Key]) -> set[Key]:
        """The definitions that the roots refer to, directly or through others, and the roots."""
        found: set[Key] = set()
        waiting = list(roots)
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting.extend(target for target in self.targets(key).values() if isinstance(target, Key))
        return found

    def acting(self, modules: Iterable[str]) -> set[Key]:
        """What acts when modules are imported, with the packages around them and all that they import."""
        return {act for name in self.imported(modules, through_inert=False) for act in self._acting(name)}

    def imported(self, modules: Iterable[str], through_inert: bool = True) -> set[str]:
        """Modules that are imported when others are, with those, and the packages around them all."""
        found: set[str] = set()
        waiting = list(modules)
        while waiting:
            name = waiting.pop()
            if name in found or self.load(name) is None or (self.inert(Key(name, "*")) and not through_inert):
                continue
            found.add(name)
            waiting += self._imported_by(name)
            waiting += [name.rpartition(".")[0]] if "." in name else []
        return found

    def targets(self, key: Key) -> dict[str, Key | str]:
        """What a definition refers to: text of the reference -> a definition, or the name of what is not followed."""
        if key not in self._targets:
            module = self.load(key.module)
            assert module is not None, key
            self._targets[key] = dict(self._resolved(module, key.name))
        return self._targets[key]

    def resolve(self, module: str, name: str) -> Key | str | None:
        """What a name of a module is: a definition, or what is not followed; None if the module does not bind it."""
        found = self.load(module)
        if found is None:
            return f"{module}.{name}"
        if name in found.definitions:
            return Key(module, name)
        if name in found.imports:
            source, attribute = found.imports[name]
            return Key(source, "*") if attribute is None and self.load(source) else self._imported(source, attribute)
        if self.load(f"{module}.{name}") is not None:
            return Key(f"{module}.{name}", "*")
        for star in found.stars:
            if (target := self.resolve(star, name)) is not None:
                return target
        return Key(module, "__getattr__") if "__getattr__" in found.definitions else None

    def named(self, key: Key, name: str) -> Key | str | None:
        """What a dotted name in a definition refers to."""
        module = self.load(key.module)
        assert module is not None, key
        return self._follow(module, module.definitions[key.name].references, tuple(name.split(".")))

    def _imported_by(self, name: str) -> frozenset[str]:
        """The modules that a module imports; one may be imported from a package as if it were a name in it."""
        if name not in self._imports:
            module = self.load(name)
            found = set(module.imported) if module else set()
            named = {self.resolve(source, what) for source, what in found if what is not None and self.load(source)}
            modules = {target.module for target in named if isinstance(target, Key)}
            self._imports[name] = frozenset(modules | {source for source, _ in found})
        return self._imports[name]

    def _acting(self, name: str) -> frozenset[Key]:
        """The definitions of a module that act when it is imported."""
        if name not in self._acts:
            module = self.load(name)
            acts = [*module.acts, *self._calls(module)] if module else []
            self._acts[name] = frozenset(Key(name, act) for act in acts)
        return self._acts[name]

    def _imported(self, source: str, attribute: str | None) -> Key | str:
        if attribute is None:
            return source
        return self.resolve(source, attribute) or f"{source}.{attribute}"

    def _resolved(self, module: Module, name: str) -> Iterator[tuple[str, Key | str]]:
        if name == "*":
            yield from ((bound, Key(module.name, bound)) for bound in module.definitions)
            return
        references = module.definitions[name].references
        for parts in references.dotted:
            target = self._follow(module, references, parts)
            if target is not None and target != Key(module.name, name) and not self._is_inert(target):
                yield ".".join(parts), target
        for named in references.named:
            yield f"import {named}", Key(named, "*") if self.load(named) else named

    def _follow(self, module: Module, references: References, parts: tuple[str, ...]) -> Key | str | None:
        """What a dotted name refers to, as far as it leads through modules."""
        first, *rest = parts
        target: Key | str | None
        if first in references.imports:
            source, attribute = references.imports[first]
            whole = attribute is None and self.load(source) is not None
            target = Key(source, "*") if whole else self._imported(source, attribute)
        else:
            target = self.resolve(module.name, first)
        while isinstance(target, Key) and target.name == "*" and rest:
            target = self.resolve(target.module, rest.pop(0)) or target
        return target

    def _is_inert(self, target: Key | str) -> bool:
        return isinstance(target, Key) and self.inert(target)

    def _calls(self, module: Module) -> Iterator[str]:
        """Definitions of a module that call a function of ours when it is imported: a registry may learn of them."""
        for name, definition in module.definitions.items():
            for node in definition.nodes:
                for call in called_at_import(node):
                    target = self._follow(module, definition.references, call)
                    if isinstance(target, Key) and not self.inert(target) and self._is_function(target):
                        yield name

    def _is_function(self, key: Key) -> bool:
        module = self.load(key.module)
        found = module.definitions.get(key.name) if module else None
        return found is not None and any(isinstance(node, ast.FunctionDef) for node in found.nodes)

    def _walk(self, root: Key) -> None:
        """Digests of all that `root` reaches, by Tarjan's strongly connected components: targets come first."""
        order: dict[Key, int] = {}
        low: dict[Key, int] = {}
        stack: list[Key] = []
        work: list[tuple[Key, Iterator[Key]]] = []

        def enter(key: Key) -> None:
            order[key] = low[key] = len(order)
            stack.append(key)
            work.append((key, iter([one for one in self.targets(key).values() if isinstance(one, Key)])))

        enter(root)
        while work:
            key, rest = work[-1]
            for target in rest:
                if target in self._digests:
                    continue
                if target not in order:
                    enter(target)
                    break
                low[key] = min(low[key], order[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[key])
                if low[key] == order[key]:
                    members = stack[stack.index(key) :]
                    del stack[stack.index(key) :]
                    self._digests |= self._together(members)

    def _together(self, members: list[Key]) -> dict[Key, str]:
        """The digests of definitions that refer to each other: refined as often as there are members, then joined."""
        labels = {key: self._own(key) for key in members}
        for _ in range(len(members)):
            labels = {key: digest([labels[key], self._labels(key, labels)]) for key in members}
        whole = digest(sorted(labels.values())) if len(members) > 1 else ""
        return {key: digest([label, whole]) for key, label in labels.items()}

    def _labels(self, key: Key, inside: dict[Key, str]) -> list[tuple[str, str]]:
        targets = self.targets(key)
        if key.name == "*":  # whatever the names in the module are, they are in their definitions
            return [("", label) for label in sorted(self._label(target, inside) for target in targets.values())]
        return sorted((text, self._label(target, inside)) for text, target in targets.items())

    def _label(self, target: Key | str, inside: dict[Key, str]) -> str:
        if isinstance(target, str):
            return target
        return inside[target] if target in inside else self._digests[target]

    def _own(self, key: Key) -> str:
        module = self.load(key.module)
        assert module is not None, key
        return "" if key.name == "*" else module.definitions[key.name].own
