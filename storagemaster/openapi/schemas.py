"""JSON Schemas of documents, from their dataclasses and typed dictionaries."""

import ast
import dataclasses
import functools
import inspect
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

_SCALARS: Mapping[object, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    type(None): {"type": "null"},
    Any: {},
}


class Schemas:
    """Schemas of types. Documents are components, which other schemas reference by name."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type. `Annotated[type, {...}]` adds keywords to it.

        >>> Schemas().of(tuple[str, ...])
        {'type': 'array', 'items': {'type': 'string'}}
        """
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is typing.Annotated:
            return {**self.of(arguments[0]), **arguments[1]}
        if origin is typing.NotRequired:
            return self.of(arguments[0])
        if origin is typing.Literal:
            return {"type": "string", "enum": list(arguments)}
        if origin in {list, tuple}:
            return {"type": "array", "items": self.of(arguments[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if origin in {types.UnionType, typing.Union}:
            return {"anyOf": [self.of(each) for each in arguments]}
        if isinstance(kind, typing.NewType):
            return self.of(kind.__supertype__)
        if kind in _SCALARS:
            return dict(_SCALARS[kind])
        if kind.__name__ not in self.components:
            self.components[kind.__name__] = {}  # for a document that contains itself
            self.components[kind.__name__] = self._document(kind)
        return {"$ref": f"#/components/schemas/{kind.__name__}"}

    def _document(self, kind: type) -> Schema:
        texts = _field_docstrings(kind.__name__, kind.__module__)
        hints = typing.get_type_hints(kind, include_extras=True)
        properties = {}
        for name, hint in hints.items():
            text = {"description": texts[name]} if name in texts else {}
            properties[name] = self.of(hint) | text
        # A dataclass renders all its fields, also those with defaults.
        required = hints if dataclasses.is_dataclass(kind) else kind.__required_keys__  # type: ignore[attr-defined]
        return {
            "type": "object",
            "description": inspect.cleandoc(kind.__doc__ or ""),
            "properties": properties,
            "required": [name for name in hints if name in required],
        }


def _field_docstrings(name: str, module: str) -> dict[str, str]:
    """Return the string below each field of a class, which Python itself does not keep."""
    found: dict[str, str] = {}
    if (class_ := _classes(module).get(name)) is None:
        return found
    for base in class_.bases:
        found |= _field_docstrings(ast.unparse(base), module)
    for field, text in zip(class_.body, class_.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=field_name)), ast.Expr(ast.Constant(str(value))):
                found[field_name] = inspect.cleandoc(value)
    return found


@functools.cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
