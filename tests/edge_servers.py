"""Real nginx and Varnish for tests: rendered, started on free ports, and stopped with the test.

Their directories are directly below the system's temporary directory, which workers of another user
can read.
"""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy_config import (
    IngestSettings,
    NginxSettings,
    VarnishSettings,
    ingest_command,
    nginx_command,
    render_ingest,
    render_nginx,
    render_varnish,
    varnish_command,
)
from proxy_config.edge_settings import (
    LUA_MODULE_NAME,
    NGINX_MODULES,
    NGINX_PROGRAM,
    VARNISH_PROGRAM,
)
from volumes.address import Address
from volumes.cluster import Cluster

CACHE_BYTES = 64 * 1024 * 1024
START_SECONDS_MAX = 30.0
# Each start compiles VCL, and a C compiler without optimization takes half the time.
QUICKLY_COMPILED = ("-p", "cc_command=%D -O0 -g0")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningEdge:
    """An edge that serves at `address` and is purged at `purge`."""

    kind: str
    address: Address
    purge: Address
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def cache_dir(self) -> Path:
        """Directory of nginx's cache."""
        return self.folder / "cache"

    @property
    def run_dir(self) -> Path:
        """Directory of its logs."""
        return self.folder / "run"

    def logs(self) -> str:
        """Return everything that the edge has logged."""
        return "".join(path.read_text() for path in sorted(self.run_dir.glob("*.log")))


@contextlib.contextmanager
def running_nginx(
    cluster: Cluster, edge_id: str, read_keys: Mapping[str, str], **settings: object
) -> Iterator[RunningEdge]:
    """Run an nginx edge of the cluster; `settings` are further fields of `NginxSettings`."""
    _fail_without(NGINX_PROGRAM, f"{NGINX_MODULES}/{LUA_MODULE_NAME}")
    with _edge_folder() as folder:
        settings.setdefault("worker_user", getpass.getuser() if os.geteuid() == 0 else "")
        chosen = NginxSettings(
            edge_id=edge_id,
            cache_dir=str(folder / "cache"),
            cache_bytes=CACHE_BYTES,
            run_dir=str(folder / "run"),
            **settings,  # type: ignore[arg-type]  # checked by the class itself
        )
        write_files(folder / "config", render_nginx(cluster, chosen, read_keys))
        command = nginx_command(chosen, str(folder / "config"))
        with _running(command, cluster, edge_id, folder) as edge:
            yield edge


@contextlib.contextmanager
def running_varnish(
    cluster: Cluster, edge_id: str, read_keys: Mapping[str, str], **settings: object
) -> Iterator[RunningEdge]:
    """Run a Varnish edge of the cluster; `settings` are further fields of `VarnishSettings`."""
    _fail_without(VARNISH_PROGRAM)
    with _edge_folder() as folder:
        chosen = VarnishSettings(
            edge_id=edge_id,
            cache_bytes=CACHE_BYTES,
            run_dir=str(folder / "run"),
            **settings,  # type: ignore[arg-type]  # checked by the class itself
        )
        write_files(folder / "config", render_varnish(cluster, chosen, read_keys))
        command = varnish_command(cluster.edges[edge_id], chosen, str(folder / "config"))
        with _running([*command, *QUICKLY_COMPILED], cluster, edge_id, folder) as edge:
            yield edge


@contextlib.contextmanager
def running_ingest(cluster: Cluster, ingest_id: str, **settings: object) -> Iterator[Path]:
    """Run an ingest nginx of the cluster; yield the folder of its logs."""
    _fail_without(NGINX_PROGRAM)
    with _edge_folder() as folder:
        settings.setdefault("worker_user", getpass.getuser() if os.geteuid() == 0 else "")
        chosen = IngestSettings(
            ingest_id=ingest_id,
            run_dir=str(folder / "run"),
            **settings,  # type: ignore[arg-type]  # checked by the class itself
        )
        write_files(folder / "config", render_ingest(cluster, chosen))
        output_file = folder / "output"
        with output_file.open("wb") as output:
            command = ingest_command(chosen, str(folder / "config"))
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            _wait_until_listening(cluster.ingests[ingest_id].listen, process, output_file)
            yield folder / "run"
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS_MAX)


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write rendered files, readable by their owner only."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)


@contextlib.contextmanager
def _edge_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="edge-"))
    folder.chmod(0o755)
    for name in ("cache", "run"):
        (folder / name).mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def _running(
    command: list[str], cluster: Cluster, edge_id: str, folder: Path
) -> Iterator[RunningEdge]:
    edge = cluster.edges[edge_id]
    for address in (edge.listen, edge.purge):
        if is_listening(address):
            pytest.fail(f"{address} is taken, by another edge of the same cluster perhaps")
    output_file = folder / "output"
    with output_file.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        _wait_until_listening(edge.listen, process, output_file)
        _wait_until_listening(edge.purge, process, output_file)
        yield RunningEdge(
            kind=edge.kind,
            address=edge.listen,
            purge=edge.purge,
            folder=folder,
            process=process,
        )
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS_MAX)


def _wait_until_listening(
    address: Address, process: subprocess.Popen[bytes], output_file: Path
) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not is_listening(address):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"{process.args} does not listen on {address}:\n{output_file.read_text()}")
        time.sleep(0.02)


def is_listening(address: Address) -> bool:
    """Return True if a server accepts connections on the address."""
    try:
        socket.create_connection((address.host, address.port)).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return False
    return True


def _fail_without(*programs: str) -> None:
    for program in programs:
        if not Path(program).exists():
            pytest.fail(f"{program} is missing; proxy_config/install-servers.sh installs it")
