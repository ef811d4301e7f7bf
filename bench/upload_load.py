"""Load generator: uploads distinct photos to a storagemaster concurrently.

`python -m bench.upload_load --address H:P --token T --photos N --bytes B --at-once C --first F`
prints the duration and its own processor time as a line of JSON. It uses HTTP over plain streams,
because an HTTP client would take processor time from the measured processes. Both clocks start when
all photos are in memory.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator

import uvloop

from bench.photo_bytes import render_photo
from volumes.address import Address, parse_address

RESPONSE_HEAD_BYTES_MAX = 64 * 1024
# Retry-After of a 503; the wait is part of the duration.
RETRY_SECONDS = 2.0
TRIES = 5

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


class NotMirrored(Exception):
    """The response to an upload is not a receipt with two colos."""


def main() -> int:
    """Upload all photos; return 1 if one of them is not in two colos."""
    parser = argparse.ArgumentParser(prog="bench.upload_load", description=__doc__)
    parser.add_argument("--address", type=parse_address, required=True)
    parser.add_argument("--token", required=True)
    for name in ("photos", "bytes", "at-once", "first"):
        parser.add_argument(f"--{name}", type=int, required=True)
    arguments = parser.parse_args()
    numbers = range(arguments.first, arguments.first + arguments.photos)
    requests = [
        render_request(arguments.address, arguments.token, render_photo(number, arguments.bytes))
        for number in numbers
    ]
    processor_started = time.process_time()
    try:
        seconds = uvloop.run(
            _upload_all(arguments.address, requests, concurrency=arguments.at_once)
        )
    except NotMirrored as error:
        print(error, file=sys.stderr)
        return 1
    processor_seconds = time.process_time() - processor_started
    print(json.dumps({"seconds": seconds, "processor_seconds": processor_seconds}))
    return 0


def render_request(address: Address, token: str, photo: bytes) -> bytes:
    """Return the bytes of one upload request."""
    head = (
        "POST /photos HTTP/1.1",
        f"Host: {address}",
        f"Authorization: Bearer {token}",
        "Content-Type: image/jpeg",
        f"Content-Length: {len(photo)}",
    )
    return "\r\n".join([*head, "", ""]).encode() + photo


async def _upload_all(address: Address, requests: list[bytes], *, concurrency: int) -> float:
    left = iter(requests)
    started = time.perf_counter()
    await asyncio.gather(*(_upload_some(address, left) for _ in range(concurrency)))
    return time.perf_counter() - started


async def _upload_some(address: Address, left: Iterator[bytes]) -> None:
    """Upload over one connection, one request at a time."""
    reader, writer = await asyncio.open_connection(
        address.host, address.port, limit=RESPONSE_HEAD_BYTES_MAX
    )
    for request in left:
        for _ in range(TRIES):
            writer.write(request)
            status, body = await read_response(reader)
            if status != 503:
                break
            await asyncio.sleep(RETRY_SECONDS)
        if status != 201 or b'"durability": "mirrored"' not in body:
            raise NotMirrored(f"an upload returned {status}: {body.decode()}")
    writer.close()


async def read_response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return the status and the body of the next response."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1]) if length else 0)
    return int(head.split(b" ", 2)[1]), body


if __name__ == "__main__":
    sys.exit(main())
