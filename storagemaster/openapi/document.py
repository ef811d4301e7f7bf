"""The OpenAPI document of the routes in `wire.py`, as `operations.py` describes them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from permission_urls import Scope
from storagemaster import errors, wire
from storagemaster.documents import Problem
from storagemaster.errors import PROBLEM_TYPES, MasterError
from storagemaster.openapi.operation import Operation, Reply
from storagemaster.openapi.operations import OPERATIONS
from storagemaster.openapi.parameters import PATH_FIELDS, QUERIES, Parameter
from storagemaster.openapi.schemas import Schema, Schemas
from storagemaster.uploads.form import PHOTO_FIELD, TICKET_FIELD

OPENAPI_VERSION = "3.1.1"
JSON_TYPE = "application/json"
BEARER = "token"
_FORM_FIELDS: dict[str, Schema] = {
    TICKET_FIELD: {"type": "string"},
    PHOTO_FIELD: {"type": "string", "format": "binary"},
}
INTERNAL = (wire.Access.SIGNED, wire.Access.MAP_KEY)
"""The access of routes that only machines of the cluster use."""
_FIELD = re.compile(r"{(\w+)}")


def described_routes() -> Iterator[tuple[wire.Route, Operation]]:
    """Yield the routes for applications and operators, without internal ones."""
    for route in wire.ROUTES:
        if route.access not in INTERNAL:
            yield route, OPERATIONS[route]


def openapi_document(*, version: str) -> dict[str, Any]:
    """Return the description of the API."""
    schemas = Schemas()
    problem = schemas.of(Problem)
    paths: dict[str, dict[str, Any]] = {}
    for route, operation in described_routes():
        described = _operation(route, operation, schemas, problem)
        paths.setdefault(route.template, {})[route.method.lower()] = described
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "Glassplate",
            "version": version,
            "summary": "Store photos, get their sizes, and operate the cluster.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `glassplate token create`.",
                }
            },
        },
    }


def path_fields(route: wire.Route) -> list[Parameter]:
    """Return the fields of a route's path."""
    return [PATH_FIELDS[name] for name in _FIELD.findall(route.template)]


def queries(route: wire.Route) -> list[Parameter]:
    """Return the query parameters of a route."""
    by_name = QUERIES | {query.name: query for query in OPERATIONS[route].queries}
    return [by_name[name] for name in route.known_query]


def errors_of(route: wire.Route, operation: Operation) -> list[type[MasterError]]:
    """Return all errors of a route, by status, also the errors of its token and parameters."""
    found = set(operation.errors)
    found.add(errors.BadArgument)  # also an unknown query parameter
    if isinstance(route.access, Scope):
        found |= {errors.NotAuthorized, errors.NotAllowed}
    if route.is_upload:
        found.add(errors.QuotaExceeded)
    if route.body_bytes_max:
        found.add(errors.TooLarge)
    if "volume" in (*_FIELD.findall(route.template), *route.known_query):
        found.add(errors.UnknownVolume)
    return sorted(found, key=lambda error: (error.status, error.slug))


def _operation(
    route: wire.Route, operation: Operation, schemas: Schemas, problem: Schema
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [
            *_parameters("path", path_fields(route), schemas),
            *_parameters("query", queries(route), schemas),
            *_parameters("header", operation.headers, schemas),
        ],
        "responses": {
            **{str(reply.status): _reply(reply, schemas) for reply in operation.replies},
            **_problems(errors_of(route, operation), problem),
        },
        "security": _security(route),
    }
    if content := _request_content(operation, schemas):
        described["requestBody"] = {"content": content, "required": not operation.raw_types}
    return described


def _security(route: wire.Route) -> list[dict[str, list[str]]]:
    """Return the alternatives of a route's token: OpenAPI 3.1 allows scopes for any scheme."""
    if isinstance(route.access, Scope):
        return [{BEARER: [route.access.value]}]
    return [{}, {BEARER: []}] if route.has_urls else []


def _parameters(
    place: str, parameters: Iterable[Parameter], schemas: Schemas
) -> Iterator[dict[str, Any]]:
    for parameter in parameters:
        yield {
            "name": parameter.name,
            "in": place,
            "description": parameter.text,
            "required": parameter.is_required or place == "path",
            "schema": schemas.of(parameter.kind),
        }


def _request_content(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    content: dict[str, Any] = {media_type: {} for media_type in operation.raw_types}
    if operation.body is not None:
        content[JSON_TYPE] = {"schema": schemas.of(operation.body)}
        # Requests are refused with unknown fields; clients must accept them in responses.
        schemas.components[operation.body.__name__]["additionalProperties"] = False
    if operation.form:
        content["multipart/form-data"] = {
            "schema": {
                "type": "object",
                "properties": {name: _FORM_FIELDS[name] for name in operation.form},
                "required": list(operation.form),
            }
        }
    return content


def _reply(reply: Reply, schemas: Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {"description": reply.text}
    if reply.document is not None:
        described["content"] = {JSON_TYPE: {"schema": schemas.of(reply.document)}}
        if links := _links(reply.document):
            described["links"] = links
    elif reply.media_type:
        described["content"] = {reply.media_type: {"schema": {"type": "string"}}}
    if reply.headers:
        described["headers"] = {
            name: {"required": True, "schema": {"type": "string"}} for name in reply.headers
        }
    return described


def _links(document: object) -> dict[str, Any]:
    """Return the requests that can follow a response with a photo."""
    if document not in {wire.Receipt, wire.Revocation}:
        return {}
    return {
        operation.name: {
            "operationId": operation.name,
            "parameters": {
                f"path.{field}": f"$response.body#/{field}"
                for field in _FIELD.findall(route.template)
            },
        }
        for route, operation in described_routes()
        if {"volume", "photo"} <= set(_FIELD.findall(route.template))
    }


def _problems(found: Iterable[type[MasterError]], problem: Schema) -> dict[str, Any]:
    by_status: dict[int, list[type[MasterError]]] = {}
    for error in found:
        by_status.setdefault(error.status, []).append(error)
    return {str(status): _problem(kinds, problem) for status, kinds in by_status.items()}


def _problem(kinds: list[type[MasterError]], problem: Schema) -> dict[str, Any]:
    names = [PROBLEM_TYPES + kind.slug for kind in kinds]
    schema: Mapping[str, Any] = {"allOf": [problem, {"properties": {"type": {"enum": names}}}]}
    return {
        "description": "; ".join(kind.title for kind in kinds),
        "content": {wire.PROBLEM_TYPE: {"schema": schema}},
    }
