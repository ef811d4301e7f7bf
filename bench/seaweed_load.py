"""Load generator for SeaweedFS: stores distinct photos with fsync, as its clients do.

`python -m bench.seaweed_load --master H:P --photos N --bytes B --at-once C --first F` prints the
duration as a line of JSON. Each photo is one request for an id to the master, and one PUT with
`fsync=true` to a volume server, which replicates it. It measures as `bench.upload_load` does.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator

import uvloop

from bench.photo_bytes import render_photo
from bench.upload_load import RESPONSE_HEAD_BYTES_MAX, NotMirrored, read_response
from volumes.address import Address, parse_address


class _Connections:
    """One connection to each server, for one request at a time."""

    def __init__(self) -> None:
        self._open: dict[Address, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def send(self, address: Address, head: str, body: bytes = b"") -> tuple[int, bytes]:
        if address not in self._open:
            self._open[address] = await asyncio.open_connection(
                address.host, address.port, limit=RESPONSE_HEAD_BYTES_MAX
            )
        reader, writer = self._open[address]
        lines = f"{head} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(lines.encode() + body)
        response = await read_response(reader)
        return response.status, response.body


def main() -> int:
    """Store all photos; return 1 if one of them was refused."""
    parser = argparse.ArgumentParser(prog="bench.seaweed_load", description=__doc__)
    parser.add_argument("--master", type=parse_address, required=True)
    for name in ("photos", "bytes", "at-once", "first"):
        parser.add_argument(f"--{name}", type=int, required=True)
    arguments = parser.parse_args()
    numbers = range(arguments.first, arguments.first + arguments.photos)
    photos = [render_photo(number, arguments.bytes) for number in numbers]
    try:
        seconds = uvloop.run(_store_all(arguments.master, photos, concurrency=arguments.at_once))
    except NotMirrored as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({"seconds": seconds}))
    return 0


async def _store_all(master: Address, photos: list[bytes], *, concurrency: int) -> float:
    left = iter(photos)
    started = time.perf_counter()
    await asyncio.gather(*(_store_some(master, left) for _ in range(concurrency)))
    return time.perf_counter() - started


async def _store_some(master: Address, left: Iterator[bytes]) -> None:
    connections = _Connections()
    for photo in left:
        _, body = await connections.send(master, "GET /dir/assign")
        assignment = json.loads(body)
        server = parse_address(assignment["url"])
        head = f"PUT /{assignment['fid']}?fsync=true"
        status, body = await connections.send(server, head, photo)
        if status != 201:
            raise NotMirrored(f"a PUT returned {status}: {body.decode()}")


if __name__ == "__main__":
    sys.exit(main())
