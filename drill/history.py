"""The history of a run: every operation of its load, a line of JSON each.

A history holds requests and their results, never the state of the cluster. The checker judges a
cluster by its history and its final state.
"""

import json
import time
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path

SECOND = 1_000_000_000
"""Nanoseconds in a second."""


class Op(StrEnum):
    """The kind of an operation."""

    PUT = "put"
    SIZES = "sizes"
    """One size that an info document names, with its digest. One operation per size."""
    GET = "get"
    DELETE = "delete"
    REVOKE = "revoke"


class Outcome(StrEnum):
    """The result of an operation, as far as the client knows it."""

    OK = "ok"
    FAIL = "fail"
    """It did not happen, or the server rejected it."""
    INFO = "info"
    """It may have happened: no response came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation, from its start to its end, on one clock."""

    op: Op
    outcome: Outcome
    invoke_ns: int
    complete_ns: int
    key: str = ""
    """The Idempotency-Key of the photo's upload."""
    photo: str = ""
    """VOLUME/PHOTO/VERSION, or VOLUME/PHOTO for a delete. Empty if unknown."""
    path: str = ""
    digest: str = ""
    """SHA-256 of the bytes that were sent or received."""
    bytes: int = 0
    client: str = ""
    edge: str = ""
    """The server: an edge, a storagemaster, or a node."""
    status: int = 0
    error: str = ""
    permitted: bool = True
    """True if the verifier accepts the URL of a GET at that time."""
    durability: str = ""
    """The durability in the receipt of a PUT."""
    new_photo: str = ""
    """The new reference of a REVOKE."""
    pending_mirrors: tuple[str, ...] = ()
    """Mirrors that have not received a DELETE or REVOKE yet."""
    purge_pending: tuple[str, ...] = ()
    """Edges that have not received the purge of a DELETE or REVOKE yet."""

    @property
    def seconds(self) -> float:
        """The duration, in seconds."""
        return (self.complete_ns - self.invoke_ns) / SECOND


def render_operation(operation: Operation) -> str:
    """Return an operation as one line of JSON, without the fields at their defaults.

    >>> render_operation(
    ...     Operation(op=Op.PUT, outcome=Outcome.OK, invoke_ns=1, complete_ns=2, status=201)
    ... )
    '{"op": "put", "outcome": "ok", "invoke_ns": 1, "complete_ns": 2, "status": 201}'
    """
    document = {
        name: value for name, value in asdict(operation).items() if value != _DEFAULTS.get(name)
    }
    return json.dumps(document)


class History:
    """All operations so far, in the order in which they ended."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def add(self, operation: Operation) -> None:
        """Add an operation that has ended."""
        self.operations.append(operation)

    def write(self, path: Path) -> None:
        """Write the history as JSON lines."""
        with path.open("w") as file:
            file.writelines(f"{render_operation(each)}\n" for each in self.operations)


def now_ns() -> int:
    """Return the time of the clock that all histories use, in nanoseconds.

    The clock never jumps, also when a drill skews clocks.
    """
    return time.monotonic_ns()


_DEFAULTS = {field.name: field.default for field in fields(Operation)}
