"""The files of a local cluster: config, keys, and the roots of its nodes.

A new cluster gets all of them. The config is written last, so an interrupted preparation starts
again. An existing cluster is only read: a lost disk or key file is never replaced in silence.
"""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glassplate.certificates.certificate_folder import init_certificates, renew_certificates
from glassplate.local.key_generation import generate_cluster_keys, today
from glassplate.local.plan import PORTS_USED, LocalPorts, render_local_cluster
from glassplate.local.ports import first_port, require_free_ports
from glassplate.local.shared_servers import create_password
from permission_urls import Keys, load_keys, save_keys
from storagenode.opening import mark_store
from volumes.cluster import Cluster
from volumes.config.cluster_file import load_cluster
from volumes.config.config_reader import InvalidConfig, Problem

CONFIG_NAME = "cluster.toml"
DEFAULT_PORT = 8080

_LOCAL_ADDRESS = re.compile(r"\b127\.0\.0\.1:([0-9]{1,5})\b")


class AlreadyRunning(Exception):
    """A data directory whose cluster runs."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The config and the keys of a cluster whose files exist."""

    cluster: Cluster
    keys: Keys
    moved_from_port: int | None = None
    """The first port before this preparation, if it was another one."""


@contextlib.contextmanager
def data_lock(data: Path) -> Iterator[None]:
    """Create a data directory, and hold its lock until the block exits.

    Raises:
        AlreadyRunning: Another process holds it.
    """
    data.mkdir(parents=True, exist_ok=True)
    directory = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"a cluster runs from {data} already; stop it, or pass another --data"
            ) from None
        yield
    finally:
        os.close(directory)


def prepare_data(data: Path, *, port: int | None) -> Prepared:
    """Create the files of a new cluster below a directory, or load the files of an existing one.

    With a port, an existing cluster moves all its ports on loopback to the range from there.

    Raises:
        InvalidConfig, KeyRingError, RootRefused, OSError: A file cannot be used.
        PortsInUse: The cluster cannot move, because its new ports are in use.
    """
    for folder in ("log", "run", "nodes"):
        (data / folder).mkdir(parents=True, exist_ok=True)
    config = data / CONFIG_NAME
    if not config.exists():
        _create(config, LocalPorts(port or DEFAULT_PORT))
    cluster = load_cluster(config)
    _issue_certificates(cluster)
    previous = first_port(cluster)
    if port is not None and port != previous and cluster.map_version > 1:
        reason = f"stays {previous}: the addresses are in the volume map, which has changed"
        raise InvalidConfig((Problem("port", reason),), where=str(config))
    if port is not None and port != previous:
        cluster = _move(config, moved_ports(config.read_text(), previous, port))
        return Prepared(cluster, load_keys(Path(cluster.keys_file)), previous)
    return Prepared(cluster, load_keys(Path(cluster.keys_file)))


def moved_ports(config: str, old: int, new: int) -> str:
    """Return a config with the loopback ports of one range moved to another.

    >>> moved_ports('read = "127.0.0.1:8100" # not 127.0.0.1:6379', 8080, 9000)
    'read = "127.0.0.1:9020" # not 127.0.0.1:6379'
    """

    def move(found: re.Match[str]) -> str:
        port = int(found[1])
        in_range = old <= port < old + PORTS_USED
        return f"127.0.0.1:{port - old + new}" if in_range else found[0]

    return _LOCAL_ADDRESS.sub(move, config)


def _create(config: Path, ports: LocalPorts) -> None:
    fresh = _written_beside(config, render_local_cluster(ports))
    cluster = load_cluster(fresh)
    keys_file = Path(cluster.keys_file)
    if not keys_file.exists():
        save_keys(keys_file, generate_cluster_keys(os.urandom).made_on(today()))
    create_password(Path(cluster.queue_password_file))
    uuids = {str(node.id): mark_store(node).uuid for node in cluster.nodes.values()}
    _written_beside(config, render_local_cluster(ports, uuids)).replace(config)


def _issue_certificates(cluster: Cluster) -> None:
    """Issue missing certificates, and renew certificates that end soon."""
    folder, now = Path(cluster.tls.folder), time.time()
    if cluster.tls.internal:
        init_certificates(cluster, folder, now_seconds=now)
        renew_certificates(cluster, folder, now_seconds=now)


def _move(config: Path, text: str) -> Cluster:
    """Replace the config if the new one is valid and its ports are free."""
    fresh = _written_beside(config, text)
    try:
        cluster = load_cluster(fresh)
        require_free_ports(cluster)
        fresh.replace(config)
    finally:
        fresh.unlink(missing_ok=True)
    return cluster


def _written_beside(config: Path, text: str) -> Path:
    fresh = config.with_name(f"{CONFIG_NAME}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return fresh
