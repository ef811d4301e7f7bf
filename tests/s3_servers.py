"""Real S3 servers for tests: moto, and SeaweedFS with its gateway."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from drill.cluster.seaweedfs import (
    CREDENTIALS,
    make_bucket,
    ports_with_room_for_grpc,
    running_s3_server,
    seaweedfs,
)
from tests.free_ports import free_ports

__all__ = ["CREDENTIALS", "make_bucket", "moto_server", "ports_with_room_for_grpc", "seaweedfs"]


@contextlib.contextmanager
def moto_server(credentials: Mapping[str, str]) -> Iterator[str]:
    """Return the URL of a moto server, which stores objects in memory and checks no signature."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running_s3_server(command, Path.cwd(), credentials, port=port) as url:
        yield url
