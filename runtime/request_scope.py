"""The request that the running task serves: its id, its caller, and its photo.

One id follows a request from the edge over the storagemaster to the nodes, and through the queue
to the worker. Tasks that a request starts inherit its scope.
"""

import re
import secrets
from collections.abc import Iterable
from contextvars import ContextVar, Token
from dataclasses import dataclass

HEADER = "X-Request-Id"
ID_PATTERN = "[0-9a-f]{32}"
IDS_MAX = 64

_ID = re.compile(ID_PATTERN)
_IDS = re.compile(rf"{ID_PATTERN}(?:,{ID_PATTERN}){{0,{IDS_MAX - 1}}}")


@dataclass(slots=True)
class RequestScope:
    """A request, as logs show it. Handlers fill in the caller and the photo."""

    id: str
    caller: str = ""
    reference: str = ""


_current: ContextVar[RequestScope | None] = ContextVar("request_scope", default=None)


def new_request_id() -> str:
    """Return a random request id."""
    return secrets.token_hex(16)


def is_request_id(text: str) -> bool:
    """Return True if the text is one well-formed id."""
    return _ID.fullmatch(text) is not None


def accept_request_id(text: str) -> str:
    """Return the id that a client sent if it is well-formed, otherwise a new one."""
    return text if is_request_id(text) else new_request_id()


def accept_request_ids(text: str) -> str:
    """Return the ids of a batch, separated by commas, if well-formed; otherwise a new id."""
    return text if _IDS.fullmatch(text) else new_request_id()


def join_request_ids(ids: Iterable[str]) -> str:
    """Return the header of a batch that serves several requests."""
    return ",".join([id_ for id_ in dict.fromkeys(ids) if id_ and "," not in id_][:IDS_MAX])


def current_scope() -> RequestScope | None:
    """Return the scope of the running task, or None outside any request."""
    return _current.get()


def current_request_id() -> str:
    """Return the id of the request that the running task serves, or "" outside any request."""
    scope = _current.get()
    return scope.id if scope is not None else ""


def forwarded_headers() -> dict[str, str]:
    """Return the header that passes the running request's id on to another process."""
    request_id = current_request_id()
    return {HEADER: request_id} if request_id else {}


class request_scope:  # noqa: N801  # used as a function
    """Serve this request until the block exits."""

    __slots__ = ("_scope", "_token")

    def __init__(self, scope: RequestScope) -> None:
        self._scope = scope

    def __enter__(self) -> RequestScope:
        self._token: Token[RequestScope | None] = _current.set(self._scope)
        return self._scope

    def __exit__(self, *failure: object) -> None:
        _current.reset(self._token)


def describe_request(*, caller: str = "", reference: str = "") -> None:
    """Record the caller or the photo of the running request, for its log lines."""
    scope = _current.get()
    if scope is not None:
        scope.caller = caller or scope.caller
        scope.reference = reference or scope.reference
