"""A client that sends a body without end, and counts what the server takes."""

import contextlib
import socket
import time

from volumes.address import Address

QUIET_SECONDS = 5.0
ANSWERED_QUIET_SECONDS = 0.3


def flood(address: Address, head: bytes, *, bytes_max: int = 100_000_000) -> tuple[bytes, int]:
    """Return the response of a server to a head, and how many bytes after the head it took.

    The client sends until the server closes the connection or takes nothing for some time.
    """
    chunk, sent, received = bytes(256 * 1024), 0, b""
    with socket.create_connection((address.host, address.port), timeout=60) as raw:
        raw.sendall(head)
        raw.setblocking(False)
        quiet_since = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while sent < bytes_max:
                with contextlib.suppress(BlockingIOError):
                    received += raw.recv(65536)
                with contextlib.suppress(BlockingIOError):
                    sent += raw.send(chunk)
                    quiet_since = time.monotonic()
                    continue
                quiet_seconds = ANSWERED_QUIET_SECONDS if received else QUIET_SECONDS
                if time.monotonic() - quiet_since > quiet_seconds:
                    break
                time.sleep(0.01)
    return received, sent
