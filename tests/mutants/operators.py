"""Mutants of a module: copies of its source with one small change each."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Calls that only observe, so that no test of behavior can notice their absence.
_OBSERVERS = frozenset({"log", "crashpoint"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Add,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}
_METHODS = {"popleft": "pop", "append": "appendleft", "update": "difference_update"}
_DELETED = (ast.Raise, ast.Delete, ast.AugAssign, ast.Continue, ast.Break)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of a module, and the source of the module with it."""

    change: str
    """Scope, change, and a number if the scope has several equal changes."""
    line: int
    lines: range | None
    """The lines of its statement. A run that reaches none of them is not affected; None: import."""
    source: str


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place in the syntax tree that holds a node."""

    parent: ast.AST
    field: str
    index: int | None
    scope: str
    lines: range | None

    @property
    def node(self) -> Any:
        """The node in the place."""
        held = getattr(self.parent, self.field)
        return held if self.index is None else held[self.index]

    def fill(self, node: ast.AST) -> None:
        """Put another node into the place."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def mutants_of(source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module, in the order of its source."""
    tree = ast.parse(source)
    seen: dict[str, int] = {}
    for slot in list(_slots(tree, "", None)):
        original = slot.node
        for changed in _changes(original, slot):
            key = f"{slot.scope}: {_one_line(original)} -> {_one_line(changed)}"
            seen[key] = seen.get(key, 0) + 1
            number = f" #{seen[key]}" if seen[key] > 1 else ""
            slot.fill(changed)
            mutated = ast.unparse(ast.fix_missing_locations(tree))
            slot.fill(original)
            yield Mutant(key + number, original.lineno, slot.lines, mutated)


def _one_line(node: ast.AST) -> str:
    """Return the head of a statement, or an expression, as one line."""
    once, hidden = "", [ast.Expr(ast.Constant(...))]
    match node:
        case ast.While() | ast.For() | ast.AsyncFor():
            once = "once " if isinstance(node.body[-1], ast.Break) else ""
            node = _with(node, body=hidden, orelse=[])
        case ast.With() | ast.AsyncWith():
            node = _with(node, body=hidden)
        case ast.ExceptHandler() if not isinstance(node.body[0], ast.Raise):
            node = _with(node, body=hidden)
    return once + " ".join(ast.unparse(node).split())


def _slots(node: ast.AST, scope: str, lines: range | None) -> Iterator[_Slot]:
    for field, value in ast.iter_fields(node):
        if _is_outside_behavior(node, field):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or _is_observer(child):
                continue
            is_called = isinstance(node, _FUNCTIONS) and field == "body"
            at = _lines_of(child) if is_called or lines else None
            at = at or lines
            slot = _Slot(node, field, index if isinstance(value, list) else None, scope, at)
            if isinstance(child, ast.stmt | ast.expr | ast.excepthandler):
                yield slot
            inner = f"{scope}.{child.name}".strip(".") if isinstance(child, _SCOPES) else scope
            yield from _slots(child, inner, at)


def _lines_of(node: ast.AST) -> range | None:
    """Return the lines of a statement, or of the head of a compound one."""
    if not isinstance(node, ast.stmt | ast.excepthandler):
        return None
    body = getattr(node, "body", None)
    last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
    return range(node.lineno, max(node.lineno, last) + 1)


def _is_outside_behavior(node: ast.AST, field: str) -> bool:
    """Return True for annotations, decorators, and texts of errors."""
    return (
        field in {"annotation", "returns", "decorator_list", "type_params", "bases"}
        or isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.Raise) and field == "cause")
        or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    )


def _is_observer(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return isinstance(node, ast.Assert)
    return ast.unparse(node.value.func).partition(".")[0] in _OBSERVERS


def _changes(node: Any, slot: _Slot) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=[op]) if type(op) in _COMPARISONS:
            yield _with(node, ops=[_COMPARISONS[type(op)]()])
        case ast.BoolOp(values=values):
            for index in range(len(values)):
                left = [*values[:index], *values[index + 1 :]]
                yield _with(node, values=left) if len(left) > 1 else left[0]
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.BinOp() if type(node.op) in _ARITHMETIC and not _is_text_or_type(node, slot):
            yield _with(node, op=_ARITHMETIC[type(node.op)]())
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float()):
            yield ast.Constant(node.value + 1)
        case ast.Name(id=name) if name in _NAMES and isinstance(slot.parent, ast.Call):
            yield ast.Name(_NAMES[name])
        case ast.Attribute(attr=name) if name in _METHODS and isinstance(slot.parent, ast.Call):
            yield _with(node, attr=_METHODS[name])
        case ast.ExceptHandler() if not isinstance(node.body[0], ast.Raise):
            yield _with(node, body=[ast.Raise()])
        case ast.stmt():
            yield from _changed_statements(node, slot)
    if slot.field in {"test", "ifs"} and isinstance(node, ast.Call | ast.Name | ast.Attribute):
        yield ast.UnaryOp(ast.Not(), node)


def _is_text_or_type(node: ast.BinOp, slot: _Slot) -> bool:
    """Return True if the operator joins texts or types, where no other operator is valid."""
    parts = (node.left, node.right)
    return any(
        isinstance(part, ast.JoinedStr)
        or (isinstance(part, ast.Constant) and isinstance(part.value, str | bytes))
        or (isinstance(part, ast.BinOp) and _is_text_or_type(part, slot))
        for part in parts
    ) or (isinstance(node.op, ast.BitOr) and not slot.scope)


def _changed_statements(node: ast.stmt, slot: _Slot) -> Iterator[ast.AST]:
    match node:
        case ast.Expr(value=ast.Constant() | ast.Yield()):
            return
        case ast.Expr():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            if not slot.scope.endswith("__init__"):
                yield ast.Pass()
        case ast.Return() if not isinstance(slot.parent, _SCOPES):
            yield ast.Pass()
        case ast.With() | ast.AsyncWith():
            yield from _without_contexts(node)
        case ast.While() | ast.For() | ast.AsyncFor() if not _ends(node.body[-1]):
            yield _with(node, body=[*node.body, ast.Break()])
    if isinstance(node, _DELETED):
        yield ast.Pass()


def _without_contexts(node: ast.With | ast.AsyncWith) -> Iterator[ast.AST]:
    for index, item in enumerate(node.items):
        if item.optional_vars is None:
            nothing = ast.parse("__import__('contextlib').nullcontext()", mode="eval").body
            items = [*node.items[:index], ast.withitem(nothing), *node.items[index + 1 :]]
            yield _with(node, items=items)


def _ends(node: ast.stmt) -> bool:
    return isinstance(node, ast.Return | ast.Raise | ast.Break | ast.Continue)


def _with(node: Any, **changed: Any) -> Any:
    other = copy.copy(node)
    for field, value in changed.items():
        setattr(other, field, value)
    return other
