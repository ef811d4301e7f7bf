"""Settings of one edge process. Everything else comes from the cluster config."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from proxy_config.errors import InvalidSetting
from runtime.tls.machine_name import Role
from volumes.address import Address
from volumes.cluster import Cluster, Edge, NodeId
from volumes.machines import certificate_files

NGINX_PROGRAM = "/usr/sbin/nginx"
VARNISH_PROGRAM = "/usr/sbin/varnishd"

# Directory of Debian's libnginx-mod-http-lua.
NGINX_MODULES = "/usr/lib/nginx/modules"
LUA_MODULE_NAME = "ngx_http_lua_module.so"

_PATH = re.compile(r"/[A-Za-z0-9/._@+=,-]*")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_JAIL = re.compile(r"[a-z]*(,[a-z]+=[a-z0-9_-]+)*")
_CACHE_BYTES_MIN = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """A certificate chain and its private key, as absolute paths to PEM files."""

    certificate: str
    key: str

    def __post_init__(self) -> None:
        _check_paths(certificate=self.certificate, key=self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class NginxSettings:
    """Settings of one nginx. Paths are absolute, and the user of the workers owns them.

    `cache_dir` is for the cache only; `run_dir` is for the pid, logs, and temporary files.
    `worker_user` applies if root starts nginx; empty keeps the server's default.
    `module_dir` has the Lua module; empty if nginx has it built in, as in OpenResty.
    `verified_urls_max` is the size of a worker's cache of valid URLs; 16,384 take about 13 MB.
    `varnish_tier` lists Varnish servers in front of the nodes; empty requests from the nodes.
    `purge_networks` can purge; empty allows the storagemasters, which must be IP addresses.
    `disk_node` is a node on this machine, whose photos nginx reads from its disk; empty for none.
    Only the scrub then verifies those bytes, not every read.
    `site_include` is a glob of files with locations of the operator; empty for none.

    Raises:
        InvalidSetting: nginx cannot start with a value.
    """

    edge_id: str
    cache_dir: str
    cache_bytes: int
    run_dir: str
    worker_processes: int = 2
    worker_user: str = ""
    module_dir: str = NGINX_MODULES
    tls: TlsFiles | None = None
    varnish_tier: tuple[Address, ...] = ()
    purge_networks: tuple[str, ...] = ()
    site_include: str = ""
    disk_node: str = ""
    verified_urls_max: int = 16_384
    revalidate_after_seconds: int = 86_400
    connect_timeout_milliseconds: int = 250

    def __post_init__(self) -> None:
        _check_paths(
            cache_dir=self.cache_dir, run_dir=self.run_dir, module_dir=self.module_dir or "/"
        )
        if self.site_include:
            _check_paths(site_include=self.site_include.replace("*", ""))
        if self.worker_user and not _USER.fullmatch(self.worker_user):
            raise InvalidSetting(f"worker_user: {self.worker_user!r} is not a user name")
        _check_networks(self.purge_networks)
        _check_at_least("cache_bytes", self.cache_bytes, _CACHE_BYTES_MIN)
        _check_at_least("worker_processes", self.worker_processes, 1)
        _check_at_least("verified_urls_max", self.verified_urls_max, 1)
        _check_at_least("revalidate_after_seconds", self.revalidate_after_seconds, 1)
        _check_at_least("connect_timeout_milliseconds", self.connect_timeout_milliseconds, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """Settings of one nginx in front of the storagemasters. `run_dir` is an absolute path.

    `connections_max` and `requests_per_second` are limits of one client address.

    Raises:
        InvalidSetting: nginx cannot start with a value.
    """

    ingest_id: str
    run_dir: str
    worker_processes: int = 2
    worker_user: str = ""
    tls: TlsFiles | None = None
    connections_max: int = 64
    requests_per_second: int = 50

    def __post_init__(self) -> None:
        _check_paths(run_dir=self.run_dir)
        if self.worker_user and not _USER.fullmatch(self.worker_user):
            raise InvalidSetting(f"worker_user: {self.worker_user!r} is not a user name")
        _check_at_least("worker_processes", self.worker_processes, 1)
        _check_at_least("connections_max", self.connections_max, 1)
        _check_at_least("requests_per_second", self.requests_per_second, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VarnishSettings:
    """Settings of one Varnish. `run_dir` is an absolute path that its user owns.

    `jail` is varnishd's option. "none" keeps the user that starts Varnish; only that user can read
    the keys, so use a dedicated one. Empty keeps the server's default.
    `purge_networks` can purge; empty allows the storagemasters, which must be IP addresses.

    Raises:
        InvalidSetting: Varnish cannot start with a value.
    """

    edge_id: str
    cache_bytes: int
    run_dir: str
    jail: str = "none"
    purge_networks: tuple[str, ...] = ()
    revalidate_after_seconds: int = 86_400
    connect_timeout_milliseconds: int = 250

    def __post_init__(self) -> None:
        _check_paths(run_dir=self.run_dir)
        if not _JAIL.fullmatch(self.jail):
            raise InvalidSetting(f"jail: {self.jail!r} is not a jail of varnishd")
        _check_networks(self.purge_networks)
        _check_at_least("cache_bytes", self.cache_bytes, _CACHE_BYTES_MIN)
        _check_at_least("revalidate_after_seconds", self.revalidate_after_seconds, 1)
        _check_at_least("connect_timeout_milliseconds", self.connect_timeout_milliseconds, 1)


def allowed_purge_networks(cluster: Cluster, networks: tuple[str, ...]) -> tuple[str, ...]:
    """Return the networks that can purge: the configured ones, or the hosts of all storagemasters.

    Raises:
        InvalidSetting: `networks` is empty, and a storagemaster has a host name.
    """
    if networks:
        return networks
    hosts = tuple(dict.fromkeys(m.address.host.strip("[]") for m in cluster.masters.values()))
    for host in hosts:
        if not _is_network(host):
            raise InvalidSetting(
                f"storagemaster host {host!r} is not an IP address; set purge_networks"
            )
    return hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTls:
    """The files with which an nginx edge reads from the nodes over TLS."""

    certificate: str
    authority: str


def node_tls(cluster: Cluster, edge: Edge) -> NodeTls | None:
    """Return the files for TLS to the nodes, or None if the nodes have no address for it.

    Raises:
        InvalidSetting: The folder of the certificates is not a plain absolute path.
    """
    if all(node.read_tls is None for node in cluster.nodes.values()):
        return None
    files = certificate_files(cluster, Role.EDGE, edge.id)
    if files is None:
        return None
    found = NodeTls(certificate=str(files.certificate), authority=str(files.authority))
    _check_paths(tls_folder=found.authority)
    return found


def local_disk_root(cluster: Cluster, edge: Edge, node_id: str) -> str:
    """Return the root directory of the node on this edge's machine; empty if `node_id` is empty.

    Raises:
        InvalidSetting: The node is not in the edge's colo, or has no disk.
    """
    if not node_id:
        return ""
    node = cluster.nodes.get(NodeId(node_id))
    if node is None or node.colo != edge.colo:
        raise InvalidSetting(f"disk_node: {node_id!r} is not a node of colo {edge.colo}")
    _check_paths(disk_node_store=node.store)
    return node.store.rstrip("/")


def _check_paths(**paths: str) -> None:
    # These characters need no quoting in the config of any server.
    for name, path in paths.items():
        if not _PATH.fullmatch(path):
            raise InvalidSetting(f"{name}: {path!r} is not a plain absolute path")


def _check_networks(networks: Iterable[str]) -> None:
    for network in networks:
        if not _is_network(network):
            raise InvalidSetting(f"purge_networks: {network!r} is not an IP address or network")


def _check_at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise InvalidSetting(f"{name}: must be at least {least}, is {value}")


def _is_network(text: str) -> bool:
    try:
        return not ipaddress.ip_network(text).network_address.is_unspecified
    except ValueError:
        return False
