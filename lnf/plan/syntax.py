"""Syntax trees of Python as digests need them: bare of what changes no number, and what they refer to."""

import ast
from collections.abc import Iterable, Iterator
from typing import Any

DERIVED = ("ctx", "kind", "type_comment", "type_ignores", "type_params")
"""Fields of a node that follow from the rest of the tree, or that are comments or annotations."""
MEANT = frozenset({"ClassVar", "InitVar", "KW_ONLY"})
"""Annotations that change what a dataclass is."""
LOGGERS = frozenset({"log", "logger", "logging", "warnings", "LOG", "LOGGER"})
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class Bare(ast.NodeTransformer):
    """Drops what changes no number: texts that are only read by people, and annotations."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if is_text(node) else self.generic_visit(node)

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
        if not any(isinstance(part, ast.Name) and part.id in MEANT for part in ast.walk(node.annotation)):
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
            speaks = node.func.value.id in LOGGERS
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
        fields = {name: item for name, item in ast.iter_fields(value) if name not in DERIVED}
        kept = [[name, plain(item)] for name, item in fields.items() if item is not None and item != []]
        return [type(value).__name__, *kept]
    if isinstance(value, list):  # what an import binds counts where it is used, by what it refers to
        return [plain(item) for item in value if not isinstance(item, ast.Import | ast.ImportFrom)]
    return value


def source_of(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    """The module that an import statement imports from, as an absolute name."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    package = parts if is_package else parts[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])


def is_text(node: ast.stmt) -> bool:
    """Whether a statement is only a text, as a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_main(node: ast.stmt) -> bool:
    """Whether a statement is only for a type checker, or only for a module that is run as a script."""
    if not isinstance(node, ast.If) or node.orelse:
        return False
    words = [getattr(part, "id", getattr(part, "attr", None)) for part in ast.walk(node.test)]
    return "TYPE_CHECKING" in words or "__name__" in words


def bound_by(node: ast.AST) -> Iterator[str]:
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
    if not isinstance(node, ast.Lambda | Comprehension):
        for child in ast.iter_child_nodes(node):
            yield from bound_by(child)


def _stored(target: ast.AST) -> Iterator[str]:
    return (part.id for part in ast.walk(target) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store))


def _locals(node: Function, body: Iterable[ast.AST]) -> set[str]:
    """The names that are local to a function: parameters, and what its body binds and does not declare global.

    An import binds a name too, but is a reference: what it binds is looked up.
    """
    given = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg)
    inside = list(body)
    assigned = {name for part in inside for name in bound_by(part)}
    walked = [part for one in inside for part in ast.walk(one)]
    shared = {name for part in walked if isinstance(part, ast.Global) for name in part.names}
    imported = {part.asname or part.name.partition(".")[0] for part in walked if isinstance(part, ast.alias)}
    return {argument.arg for argument in given if argument is not None} | (assigned - shared - imported)


def called_at_import(node: ast.stmt) -> Iterator[tuple[str, ...]]:
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


def imports_of(node: ast.Import | ast.ImportFrom, module: str, is_package: bool) -> dict[str, tuple[str, str | None]]:
    """Name -> (module, name in it) of what an import statement of a module binds; a star binds nothing here."""
    if isinstance(node, ast.ImportFrom):
        source = source_of(node, module, is_package)
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
        if isinstance(node, Comprehension):
            self._local.append({name for part in node.generators for name in _stored(part.target)})
            super().generic_visit(node)
            self._local.pop()
        else:
            super().generic_visit(node)

    def _function(self, node: Function, body: Iterable[ast.AST]) -> None:
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
