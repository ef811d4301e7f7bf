"""Load generator: uploads distinct photos to a storagemaster concurrently.

`python -m bench.upload_load --address H:P --token T --photos N --bytes B --at-once C --first F`
prints the duration and its own processor time as a line of JSON. It uses HTTP over plain streams,
because an HTTP client would take processor time from the measured processes. Both clocks start when
all photos are in memory. With `--tus`, each upload is resumable: begun, then sent in one PATCH.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import uvloop

from bench.photo_bytes import render_photo
from volumes.address import Address, parse_address

RESPONSE_HEAD_BYTES_MAX = 64 * 1024
# Retry-After of a 503; the wait is part of the duration.
RETRY_SECONDS = 2.0
TRIES = 5

TUS = "Tus-Resumable: 1.0.0"
_LOCATION = re.compile(rb"\r\nlocation: *([^\r]+)\r\n", re.IGNORECASE)
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
    parser.add_argument("--tus", action="store_true")
    arguments = parser.parse_args()
    numbers = range(arguments.first, arguments.first + arguments.photos)
    upload_of = resumable_upload if arguments.tus else plain_upload
    uploads = [
        upload_of(arguments.address, arguments.token, render_photo(number, arguments.bytes))
        for number in numbers
    ]
    processor_started = time.process_time()
    try:
        seconds = uvloop.run(_upload_all(arguments.address, uploads, concurrency=arguments.at_once))
    except NotMirrored as error:
        print(error, file=sys.stderr)
        return 1
    processor_seconds = time.process_time() - processor_started
    print(json.dumps({"seconds": seconds, "processor_seconds": processor_seconds}))
    return 0


@dataclass(frozen=True, slots=True)
class Response:
    """A response with its status line and headers as they came."""

    status: int
    head: bytes
    body: bytes

    @property
    def is_mirrored(self) -> bool:
        """True if a new photo is in two colos."""
        if self.status == 204:
            return b"\r\nDurability: mirrored\r\n" in self.head
        return self.status == 201 and b'"durability": "mirrored"' in self.body


Exchange = Callable[[bytes], Awaitable[Response]]
"""Sends a request, again while the server is not available, and returns the response."""
Upload = Callable[[Exchange], Awaitable[Response]]
"""Sends the requests of one upload, and returns the last response."""


def plain_upload(address: Address, token: str, photo: bytes) -> Upload:
    """Return an upload in one request."""
    headers = [f"Authorization: Bearer {token}", "Content-Type: image/jpeg"]
    request = render_request("POST /photos", address, headers, photo)
    return lambda exchange: exchange(request)


def resumable_upload(address: Address, token: str, photo: bytes) -> Upload:
    """Return an upload by tus, in two requests."""
    announced = [TUS, f"Authorization: Bearer {token}", f"Upload-Length: {len(photo)}"]
    begin = render_request("POST /uploads", address, announced, b"")

    async def upload(exchange: Exchange) -> Response:
        begun = await exchange(begin)
        location = _LOCATION.search(begun.head)
        if location is None:
            return begun
        headers = [TUS, "Upload-Offset: 0", "Content-Type: application/offset+octet-stream"]
        append = render_request(f"PATCH {location[1].decode()}", address, headers, photo)
        return await exchange(append)

    return upload


def render_request(target: str, address: Address, headers: list[str], body: bytes) -> bytes:
    """Return the bytes of one request."""
    head = [f"{target} HTTP/1.1", f"Host: {address}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


async def _upload_all(address: Address, uploads: list[Upload], *, concurrency: int) -> float:
    left = iter(uploads)
    started = time.perf_counter()
    await asyncio.gather(*(_upload_some(address, left) for _ in range(concurrency)))
    return time.perf_counter() - started


async def _upload_some(address: Address, left: Iterator[Upload]) -> None:
    """Upload over one connection, one request at a time."""
    reader, writer = await asyncio.open_connection(
        address.host, address.port, limit=RESPONSE_HEAD_BYTES_MAX
    )

    async def exchange(request: bytes) -> Response:
        for _ in range(TRIES):
            writer.write(request)
            response = await read_response(reader)
            if response.status != 503:
                break
            await asyncio.sleep(RETRY_SECONDS)
        return response

    for upload in left:
        response = await upload(exchange)
        if not response.is_mirrored:
            raise NotMirrored(f"an upload returned {response.status}: {response.body.decode()}")
    writer.close()


async def read_response(reader: asyncio.StreamReader) -> Response:
    """Return the next response."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1]) if length else 0)
    return Response(int(head.split(b" ", 2)[1]), head, body)


if __name__ == "__main__":
    sys.exit(main())
