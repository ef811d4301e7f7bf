"""docs/api.md, written from the OpenAPI document."""

from collections.abc import Iterator
from typing import Any

from storagemaster.errors import MasterError
from storagemaster.openapi.document import described_routes, openapi_document
from storagemaster.openapi.operations import Operation
from storagemaster.wire import Access, Route

INTRODUCTION = """\
# HTTP API

For developers of applications: every route of the HTTP API, which all storagemasters serve.
`GET /openapi.json` returns it as OpenAPI 3.1, without a token. This page is generated from the
same table: `make golden`.

```sh
export MASTER=http://127.0.0.1:8090
export TOKEN=$(glassplate token create --application shop --scope upload --scope read)
```

A request has `Authorization: Bearer TOKEN` with a token of the scope that the route needs
([tokens.md](tokens.md)). Every GET has a HEAD. An unknown query parameter, or an unknown field of
a JSON request, is refused with 400. Responses can get new fields: ignore unknown ones.
[uploads.md](uploads.md) describes resumable uploads, [events.md](events.md) the events.
"""
ERRORS = """\
## Errors

The body of an error is `application/problem+json` (RFC 9457): `type`, `title`, `status`, and
`detail`. Its `type` is `https://glassplate.example/problems/` with the error's name. After 503,
nothing was acknowledged; send the request again after `Retry-After`.
"""
DOCUMENTS = """\
## Documents

All fields are in every response, except those marked optional in requests.
"""


def api_page() -> str:
    """Return the page."""
    document = openapi_document(version="")
    parts = [
        INTRODUCTION,
        "## Routes\n",
        *(_route(route, operation, document) for route, operation in described_routes()),
        DOCUMENTS,
        *(_schema(name, each) for name, each in sorted(document["components"]["schemas"].items())),
        ERRORS,
        _table("error", "status", "meaning", rows=sorted(_errors(MasterError))),
    ]
    return "\n".join(parts)


def _route(route: Route, operation: Operation, document: dict[str, Any]) -> str:
    described = document["paths"][route.template][route.method.lower()]
    needs = (
        "Needs no token." if route.access is Access.OPEN else f"Needs scope `{route.access.value}`."
    )
    if route.access is Access.OPEN and route.has_urls:
        needs += " The receipt has the URLs that a token grants."
    lines = [
        f"### {route.method} {route.template}\n",
        f"{operation.summary} {needs}\n",
        f"```sh\n{_curl(route, operation, described)}\n```\n",
    ]
    if parameters := described["parameters"]:
        rows = [
            (
                f"`{each['name']}`",
                each["in"] + (", required" if each["required"] else ""),
                _type(each["schema"]),
                each["description"],
            )
            for each in parameters
        ]
        lines.append(_table("parameter", "in", "type", "meaning", rows=rows))
    if body := described.get("requestBody"):
        lines.append(f"The body is {', '.join(map(_body, body['content'].items()))}.\n")
    rows = [(status, _reply(each)) for status, each in described["responses"].items()]
    lines.append(_table("status", "response", rows=rows))
    return "\n".join(lines)


def _curl(route: Route, operation: Operation, described: dict[str, Any]) -> str:
    examples = {p["name"]: p["schema"]["examples"][0] for p in described["parameters"]
                if p["in"] == "path"}  # fmt: skip
    method = {"GET": "", "HEAD": " -I"}.get(route.method, f" -X {route.method}")
    token = "" if route.access is Access.OPEN else ' -H "Authorization: Bearer $TOKEN"'
    example = f" {operation.example}" if operation.example else ""
    return f'curl{method}{token}{example} "$MASTER{route.path(examples)}"'


def _body(content: tuple[str, dict[str, Any]]) -> str:
    media_type, described = content
    schema = described.get("schema", {})
    if "$ref" in schema:
        return f"`{media_type}`, {_type(schema)}"
    return f"`{media_type}`"


def _reply(described: dict[str, Any]) -> str:
    if "application/problem+json" in described.get("content", {}):
        schema = described["content"]["application/problem+json"]["schema"]
        types = schema["allOf"][1]["properties"]["type"]["enum"]
        return ", ".join(f"`{each.rpartition('/')[2]}`" for each in types)
    parts = [described["description"]]
    parts += [_type(each["schema"]) + "." for media_type, each in
              described.get("content", {}).items() if media_type == "application/json"]  # fmt: skip
    if headers := described.get("headers"):
        parts.append("Headers: " + ", ".join(f"`{name}`" for name in headers) + ".")
    return " ".join(parts)


def _schema(name: str, schema: dict[str, Any]) -> str:
    rows = []
    for field, each in schema["properties"].items():
        optional = "" if field in schema["required"] else "optional "
        rows.append((f"`{field}`", optional + _type(each), each.get("description", "")))
    fields = _table("field", "type", "meaning", rows=rows) if rows else ""
    return f"### {name}\n\n{schema['description']}\n\n{fields}"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("type") == "object":
        values = schema["additionalProperties"]
        return f"object of {_type(values)}" if values else "object"
    return schema.get("type", "any")


def _errors(kind: type[MasterError]) -> Iterator[tuple[str, ...]]:
    if kind.title != MasterError.title or kind is MasterError:
        yield f"`{kind.slug}`", str(kind.status), (kind.__doc__ or "").strip().splitlines()[0]
    for each in kind.__subclasses__():
        yield from _errors(each)


def _table(*head: str, rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(
        f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in line)} |\n"
        for line in lines
    )
