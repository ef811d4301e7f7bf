"""Framing of several files in one body: a header line of JSON, then the bytes of all files.

The header is a list with one object for each file. `bytes` is the length of the file's data, and
an object without `bytes` has no data. Bundles, batches of reads, and batches of writes use it.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from storagenode.protocol.errors import BadRequest
from volumes.json_text import parse_json

# A row takes less than 250 bytes, and the largest frame is a batch of infos.
HEADER_BYTES_MAX = 128 * 1024


def render_frame(rows: Iterable[Mapping[str, Any]], data: Iterable[bytes]) -> bytes:
    """Return a header line with these rows, followed by the data of the files."""
    return b"".join(frame_parts(rows, data))


def frame_parts(rows: Iterable[Mapping[str, Any]], data: Iterable[bytes]) -> list[bytes]:
    """Return the parts of a frame: the header line, and the data of each file, not copied."""
    return [json.dumps(list(rows)).encode() + b"\n", *data]


def header_of(body: bytes) -> bytes:
    """Return the header line of a body with its line feed, or the whole body if it has none."""
    return body[: body.find(b"\n", 0, HEADER_BYTES_MAX) + 1] or body


def parse_frame(
    body: bytes, *, copied_bytes_max: int | None = None
) -> list[tuple[dict[str, Any], Any]]:
    """Return each row of a frame with the data of its file.

    Data of more than `copied_bytes_max` bytes are a `memoryview` of the body.

    Raises:
        BadRequest: The body is not a frame, or its length differs from the declared one.
    """
    start = body.find(b"\n", 0, HEADER_BYTES_MAX) + 1
    try:
        rows = parse_json(body[:start])
        sizes = [row.get("bytes", 0) for row in rows]
    except (ValueError, TypeError, AttributeError) as error:
        raise BadRequest(f"invalid header of a body with files: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(size, int) for size in sizes):
        raise BadRequest("invalid header of a body with files: must list objects with a length")
    declared = start + sum(sizes)
    if min(sizes, default=0) < 0 or declared != len(body):
        raise BadRequest(f"body of {len(body)} bytes does not have the declared {declared} bytes")
    files, offset = [], start
    for row, size in zip(rows, sizes, strict=True):
        is_copied = copied_bytes_max is None or size <= copied_bytes_max
        source = body if is_copied else memoryview(body)
        files.append((row, source[offset : offset + size]))
        offset += size
    return files
