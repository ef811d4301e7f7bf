"""The history of a drill: every operation of its load, a line of JSON each.

What was asked and what came of it, and nothing of what the cluster thinks: the checker judges a
cluster by its history and by what is on its disks in the end.
"""

import json
import time
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path

SECOND = 1_000_000_000
"""Nanoseconds in a second."""


class Op(StrEnum):
    """What was asked."""

    PUT = "put"
    SIZES = "sizes"
    """The info document: which sizes there are, and their digests. One operation a size."""
    GET = "get"
    DELETE = "delete"
    REVOKE = "revoke"


class Outcome(StrEnum):
    """What is known of an operation when it is over."""

    OK = "ok"
    FAIL = "fail"
    """It surely did not happen, or was answered with a no."""
    INFO = "info"
    """It may have happened: there was no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation, from its invocation to its end, on one clock."""

    op: Op
    outcome: Outcome
    invoke_ns: int
    complete_ns: int
    key: str = ""
    """The Idempotency-Key of the upload that this is about."""
    photo: str = ""
    """VOLUME/PHOTO/VERSION, where it is known."""
    path: str = ""
    digest: str = ""
    """SHA-256 of the bytes that were sent, or came."""
    bytes: int = 0
    client: str = ""
    edge: str = ""
    """Who was asked: an edge, a storagemaster or a node."""
    status: int = 0
    error: str = ""
    permitted: bool = True
    """Of a GET: whether the verifier accepts its URL at that time."""
    durability: str = ""
    """Of a PUT: what its receipt says."""
    new_photo: str = ""
    """Of a REVOKE: the reference that is good from now on."""
    pending_mirrors: tuple[str, ...] = ()
    """Of a DELETE or REVOKE: mirrors that have yet to hear of it."""
    purge_pending: tuple[str, ...] = ()
    """Of a DELETE or REVOKE: edges that have yet to hear of it."""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.complete_ns - self.invoke_ns) / SECOND


def render_operation(operation: Operation) -> str:
    """One line of JSON; what has its default is left out.

    >>> render_operation(
    ...     Operation(op=Op.PUT, outcome=Outcome.OK, invoke_ns=1, complete_ns=2, status=201)
    ... )
    '{"op": "put", "outcome": "ok", "invoke_ns": 1, "complete_ns": 2, "status": 201}'
    """
    said = {
        name: value for name, value in asdict(operation).items() if value != _DEFAULTS.get(name)
    }
    return json.dumps(said)


class History:
    """All operations so far, in the order in which they ended."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def add(self, operation: Operation) -> None:
        """Remember one that is over."""
        self.operations.append(operation)

    def write(self, path: Path) -> None:
        """Write it as JSON lines."""
        with path.open("w") as file:
            file.writelines(f"{render_operation(each)}\n" for each in self.operations)


def now_ns() -> int:
    """The clock of all histories: it never jumps, whatever a drill does to clocks."""
    return time.monotonic_ns()


_DEFAULTS = {field.name: field.default for field in fields(Operation)}
