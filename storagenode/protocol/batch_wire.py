"""Many small files in one request: what repair copies by the thousand would else cost a call each.

A batch is a line of JSON with an entry a file, in the order asked for, then the bytes of those that
could be read. One file that cannot be read or written is told by its entry, and stops no other.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from storagenode.protocol import errors, wire
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import Pull

READS_ROUTE = "/reads"
PULLS_ROUTE = "/pulls/batch"
LISTINGS_ROUTE = "/volumes/{volume}/listings"

# Above this a file is worth a request of its own.
FILE_BYTES_MAX = 256 * 1024
BATCH_FILES_MAX = 64
BATCH_BYTES_MAX = 4 * 1024 * 1024
_HEADER_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The bytes of one file, not verified yet, and its second."""

    data: bytes
    mtime_seconds: int


Outcome = ReadFile | errors.NodeError


def render_places(places: Iterable[Place]) -> bytes:
    """What is to be read."""
    return json.dumps([wire.render_place(place) for place in places]).encode()


def parse_places(body: bytes) -> list[Place]:
    """The inverse of `render_places`.

    Raises:
        BadRequest: They are none, or too many.
    """
    return [wire.parse_place(fields) for fields in _rows(body)]


def render_pulls(pulls: Iterable[Pull]) -> bytes:
    """What is to be pulled, all from one node."""
    return json.dumps([json.loads(wire.render_pull(pull)) for pull in pulls]).encode()


def parse_pulls(body: bytes) -> list[Pull]:
    """The inverse of `render_pulls`.

    Raises:
        BadRequest: They are none, too many, or from several nodes.
    """
    pulls = [wire.parse_pull(json.dumps(fields).encode()) for fields in _rows(body)]
    if len({pull.source for pull in pulls}) > 1:
        raise errors.BadRequest("a batch is pulled from one node")
    return pulls


def render_batch(outcomes: Sequence[Outcome]) -> bytes:
    """What could be read, and why the rest could not."""
    header = [
        {"bytes": len(each.data), "mtime": each.mtime_seconds}
        if isinstance(each, ReadFile)
        else render_refusal(each)
        for each in outcomes
    ]
    data = (each.data for each in outcomes if isinstance(each, ReadFile))
    return b"".join([json.dumps(header).encode(), b"\n", *data])


def parse_batch(body: bytes) -> list[Outcome]:
    """The inverse of `render_batch`.

    Raises:
        Unreachable: It is not a batch, so that nothing is known of the files.
    """
    end = body.find(b"\n", 0, _HEADER_BYTES_MAX)
    outcomes: list[Outcome] = []
    offset = end + 1
    try:
        for entry in json.loads(body[: max(end, 0)]):
            if "error" in entry:
                outcomes.append(parse_refusal(entry))
                continue
            size = int(entry["bytes"])
            outcomes.append(ReadFile(body[offset : offset + size], int(entry["mtime"])))
            offset += size
    except (ValueError, TypeError, KeyError) as error:
        raise errors.Unreachable(f"not the header of a batch: {error}") from error
    if offset != len(body):
        raise errors.Unreachable(f"a batch of {len(body)} bytes announces {offset}")
    return outcomes


def render_refusal(error: errors.NodeError) -> dict[str, str]:
    """Why one file could not be read or written."""
    _, name, text = wire.render_error(error)
    return {"error": name, "text": text}


def parse_refusal(entry: dict[str, str]) -> errors.NodeError:
    """The inverse of `render_refusal`."""
    return wire.parse_error(500, entry["error"], entry["text"])


def _rows(body: bytes) -> list[dict[str, str]]:
    try:
        rows: list[dict[str, str]] = json.loads(body)
        size = len(rows)
    except (ValueError, TypeError) as error:
        raise errors.BadRequest(f"not a batch: {error}") from error
    if not isinstance(rows, list) or size > BATCH_FILES_MAX:
        raise errors.BadRequest(f"a batch has up to {BATCH_FILES_MAX} files")
    return rows
