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

from lnf.system.files import digest

_DERIVED = ("ctx", "kind", "type_comment", "type_ignores", "type_params")
"""Fields of a node that follow from the rest of the tree, or that are comments or annotations."""
_MEANT = frozenset({"ClassVar", "InitVar", "KW_ONLY"})
"""Annotations that change what a dataclass is."""
_LOGGERS = frozenset({"log", "logger", "logging", "warnings", "LOG", "LOGGER"})
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


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
    def tree(self) -> list[Any]:
        """The statements, bare of what changes no number, as lists and texts."""
        return [plain(_Bare().visit(node)) for node in self.nodes]

    @cached_property
    def own(self) -> str:
        """The digest of the statements without what they refer to."""
        return digest(self.tree)

    @cached_property
    def references(self) -> "References":
        """The names and imports in the statements."""
        _ = self.tree  # references in texts that do not count are gone by now
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
                module.stars.append(_source(node, name, is_package))
            continue
        if _is_text(node) or _is_main(node):
            continue
        names = list(dict.fromkeys(_bound(node)))
        if not names or not isinstance(
            node, ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign | ast.AugAssign
        ):
            module.acts.append(f"<statement {number}>")
            names.append(f"<statement {number}>")
        for bound in names:
            module.definitions.setdefault(bound, Definition(name, is_package)).nodes.append(node)
    return module


def imports_of(node: ast.Import | ast.ImportFrom, module: str, is_package: bool) -> dict[str, tuple[str, str | None]]:
    """Name -> (module, name in it) of what an import statement of a module binds; a star binds nothing here."""
    if isinstance(node, ast.ImportFrom):
        source = _source(node, module, is_package)
        return {alias.asname or alias.name: (source, alias.name) for alias in node.names if alias.name != "*"}
    return {
        alias.asname or alias.name.partition(".")[0]: (
            alias.name if alias.asname else alias.name.partition(".")[0],
            None,
        )
        for alias in node.names
    }


class References(ast.NodeVisitor):
    """The references of a definition: dotted names whose first part is not local, and what is imported inside."""

    def __init__(self, module: str, is_package: bool) -> None:
        self._module, self._is_package = module, is_package
        self.dotted: set[tuple[str, ...]] = set()
        self.imports: dict[str, tuple[str, str | None]] = {}
        self.named: set[str] = set()
        """Modules that `import_module` is given as a text."""
        self._local: list[set[str]] = []

    def visit_Import(self, node: ast.Import) -> None:
        """Note an import inside a definition."""
        self.imports |= imports_of(node, self._module, self._is_package)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Note an import inside a definition."""
        self.imports |= imports_of(node, self._module, self._is_package)

    def visit_Name(self, node: ast.Name) -> None:
        """Note a name that is read."""
        if isinstance(node.ctx, ast.Load):
            self._note((node.id,))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Note a dotted name as one reference."""
        parts, base = [node.attr], node.value
        while isinstance(base, ast.Attribute):
            parts, base = [base.attr, *parts], base.value
        if isinstance(base, ast.Name):
            self._note((base.id, *parts))
        else:
            self.visit(base)

    def visit_Call(self, node: ast.Call) -> None:
        """Note a module that is imported by its name."""
        function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if function in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
            self.named.add(str(node.args[0].value))
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Visit a function, whose parameters and assigned names are local to its body."""
        self._function(node, node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """Visit a function."""
        self._function(node, node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Visit a function of one expression."""
        self._function(node, [node.body])

    def generic_visit(self, node: ast.AST) -> None:
        """Visit what is inside; the targets of a comprehension are local to it."""
        if isinstance(node, _COMPREHENSIONS):
            self._local.append({name for part in node.generators for name in _stored(part.target)})
            super().generic_visit(node)
            self._local.pop()
        else:
            super().generic_visit(node)

    def _function(self, node: _FUNCTIONS, body: Iterable[ast.AST]) -> None:
        for outside in (
            *getattr(node, "decorator_list", ()),
            *node.args.defaults,
            *filter(None, node.args.kw_defaults),
        ):
            self.visit(outside)
        self._local.append(_locals(node, body))
        for inside in body:
            self.visit(inside)
        self._local.pop()

    def _note(self, parts: tuple[str, ...]) -> None:
        if not any(parts[0] in names for names in self._local):
            self.dotted.add(parts)


class Graph:
    """Definitions of many modules, their digests, and what can be reached from them.

    `load` gives a module by its name, None for one that is not followed; `inert` says of a key that nothing of it
    changes a number.
    """

    def __init__(self, load: Callable[[str], Module | None], inert: Callable[[Key], bool]) -> None:
        self.load, self.inert = load, inert
        self._digests: dict[Key, str] = {}
        self._targets: dict[Key, dict[str, Key | str]] = {}

    def clear(self) -> None:
        """Forget what was derived from modules."""
        self._digests.clear()
        self._targets.clear()

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
        return {
            Key(name, act)
            for name in self.imported(modules, through_inert=False)
            if (module := self.load(name)) is not None
            for act in [*module.acts, *self._calls(module)]
        }

    def imported(self, modules: Iterable[str], through_inert: bool = True) -> set[str]:
        """Modules that are imported when others are, with those, and the packages around them all."""
        found: set[str] = set()
        waiting = list(modules)
        while waiting:
            name = waiting.pop()
            module = self.load(name)
            if name in found or module is None or (self.inert(Key(name, "*")) and not through_inert):
                continue
            found.add(name)
            waiting += [name.rpartition(".")[0], *self._imported_by(module)]
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

    def _imported_by(self, module: Module) -> Iterator[str]:
        """The modules that a module imports; one may be imported from a package as if it were a name in it."""
        for source, name in module.imported:
            yield source
            target = self.resolve(source, name) if name is not None and self.load(source) else None
            if isinstance(target, Key):
                yield target.module

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
                for call in _called_at_import(node):
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


class _Bare(ast.NodeTransformer):
    """Drops what changes no number: texts that are only read by people, and annotations."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if _is_text(node) else self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if not any(isinstance(part, ast.Name) and part.id in _MEANT for part in ast.walk(node.annotation)):
            node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if node.exc is not None:
            node.exc = _Wordless(whole=True).visit(node.exc)
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        node.msg = None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        speaks = isinstance(node.func, ast.Name) and node.func.id == "print"
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            speaks = node.func.value.id in _LOGGERS
        return self.generic_visit(_Wordless(whole=False).visit(node) if speaks else node)


class _Wordless(ast.NodeTransformer):
    """Drops texts. Of an f-string what is put in stays, for it may act, unless `whole`."""

    def __init__(self, whole: bool) -> None:
        self.whole = whole

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        if self.whole:
            return ast.Constant("")
        return ast.Tuple([part.value for part in node.values if isinstance(part, ast.FormattedValue)], ast.Load())


def plain(value: Any) -> Any:
    """A syntax tree as lists and texts. An empty field is left out, so that one which a later Python adds is too."""
    if isinstance(value, ast.Constant):
        return [type(value.value).__name__, ascii(value.value)]
    if isinstance(value, ast.JoinedStr):
        # Python 3.12 leaves empty texts in some f-strings.
        return ["JoinedStr", *(plain(part) for part in value.values if getattr(part, "value", None) != "")]
    if isinstance(value, ast.AST):
        fields = {name: item for name, item in ast.iter_fields(value) if name not in _DERIVED}
        kept = [[name, plain(item)] for name, item in fields.items() if item is not None and item != []]
        return [type(value).__name__, *kept]
    if isinstance(value, list):  # what an import binds counts where it is used, by what it refers to
        return [plain(item) for item in value if not isinstance(item, ast.Import | ast.ImportFrom)]
    return value


def _source(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    """The module that an import statement imports from, as an absolute name."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    package = parts if is_package else parts[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_main(node: ast.stmt) -> bool:
    """Whether a statement is only for a type checker, or only for a module that is run as a script."""
    if not isinstance(node, ast.If) or node.orelse:
        return False
    words = [getattr(part, "id", getattr(part, "attr", None)) for part in ast.walk(node.test)]
    return "TYPE_CHECKING" in words or "__name__" in words


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a statement binds in its own scope."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
        yield node.id
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
    if not isinstance(node, ast.Lambda | _COMPREHENSIONS):
        for child in ast.iter_child_nodes(node):
            yield from _bound(child)


def _stored(target: ast.AST) -> Iterator[str]:
    return (part.id for part in ast.walk(target) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store))


def _locals(node: _FUNCTIONS, body: Iterable[ast.AST]) -> set[str]:
    """The names that are local to a function: parameters, and what its body binds and does not declare global.

    An import binds a name too, but is a reference: what it binds is looked up.
    """
    given = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg)
    inside = list(body)
    assigned = {name for part in inside for name in _bound(part)}
    walked = [part for one in inside for part in ast.walk(one)]
    shared = {name for part in walked if isinstance(part, ast.Global) for name in part.names}
    imported = {part.asname or part.name.partition(".")[0] for part in walked if isinstance(part, ast.alias)}
    return {argument.arg for argument in given if argument is not None} | (assigned - shared - imported)


def _called_at_import(node: ast.stmt) -> Iterator[tuple[str, ...]]:
    """Dotted names of what a top-level statement calls as its module is imported: decorators, and calls of a value."""
    decorators = getattr(node, "decorator_list", [])
    values = [node.value] if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None else []
    calls = [part.func for value in (*values, *decorators) for part in ast.walk(value) if isinstance(part, ast.Call)]
    for called in (*decorators, *calls):
        parts: list[str] = []
        while isinstance(called, ast.Attribute):
            parts, called = [called.attr, *parts], called.value
        if isinstance(called, ast.Name):
            yield (called.id, *parts)
