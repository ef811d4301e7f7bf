"""One route of the API as a value: its parameters, its responses, and its errors."""

from dataclasses import dataclass
from typing import Any

from storagemaster.errors import MasterError
from storagemaster.openapi import parameters as p


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful response."""

    status: int
    text: str
    document: Any = None
    """The type of its JSON, or None."""
    media_type: str = ""
    """The media type of a body that is not JSON."""
    headers: tuple[str, ...] = ()
    """The headers that it always has."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One route."""

    name: str
    summary: str
    replies: tuple[Reply, ...]
    errors: tuple[type[MasterError], ...] = ()
    """Its errors, without the errors of its token, parameters, and length."""
    headers: tuple[p.Parameter, ...] = ()
    body: Any = None
    """The type of the JSON of the request, or None."""
    raw_types: tuple[str, ...] = ()
    """The media types of a body of bytes."""
    form: tuple[str, ...] = ()
    """The fields of a form whose first file is the photo."""
    queries: tuple[p.Parameter, ...] = ()
    """Query parameters that have another meaning than on other routes."""
    example: str = ""
    """Arguments of curl after the method, the token, and the URL."""
