"""What one edge process may choose for itself; all else comes from the cluster."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from proxy_config.errors import InvalidSetting
from volumes.address import Address
from volumes.cluster import Cluster, Edge, NodeId

NGINX_PROGRAM = "/usr/sbin/nginx"
VARNISH_PROGRAM = "/usr/sbin/varnishd"

# Debian's libnginx-mod-http-lua is here.
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
        _refuse_paths(certificate=self.certificate, key=self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class NginxSettings:
    """How one nginx runs. Paths are absolute, and belong to the user of the workers.

    `cache_dir` is only the cache's; `run_dir` is for the pid, logs and temporary files.
    `worker_user` is for a master that is started by root; empty keeps the server's own default.
    `module_dir` has the Lua module; empty means that it is part of nginx itself, as in OpenResty.
    `verified_urls_max` is how many good URLs a worker need not check again; 16,384 are some 13 MB.
    `varnish_tier` are Varnish servers to ask before the nodes; empty asks the nodes directly.
    `purge_networks` may purge; empty means the storagemasters, which must then be IP addresses.
    `disk_node` is the node on this machine, whose photos are served straight from its disk; empty
    means none. Its bytes are then verified by its scrub alone, and not at each read.
    `site_include` is a glob of files with locations of the operator's own; empty means none.

    Raises:
        InvalidSetting: nginx could not start with these.
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
        _refuse_paths(
            cache_dir=self.cache_dir, run_dir=self.run_dir, module_dir=self.module_dir or "/"
        )
        if self.site_include:
            _refuse_paths(site_include=self.site_include.replace("*", ""))
        if self.worker_user and not _USER.fullmatch(self.worker_user):
            raise InvalidSetting(f"worker_user {self.worker_user!r} is not the name of a user")
        _refuse_networks(self.purge_networks)
        _refuse_below("cache_bytes", self.cache_bytes, _CACHE_BYTES_MIN)
        _refuse_below("worker_processes", self.worker_processes, 1)
        _refuse_below("verified_urls_max", self.verified_urls_max, 1)
        _refuse_below("revalidate_after_seconds", self.revalidate_after_seconds, 1)
        _refuse_below("connect_timeout_milliseconds", self.connect_timeout_milliseconds, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VarnishSettings:
    """How one Varnish runs. `run_dir` is an absolute path that belongs to its user.

    `jail` is varnishd's. "none" stays the user that started it, who alone can read the keys: give
    it a user of its own. Empty keeps the server's default.
    `purge_networks` may purge; empty means the storagemasters, which must then be IP addresses.

    Raises:
        InvalidSetting: Varnish could not start with these.
    """

    edge_id: str
    cache_bytes: int
    run_dir: str
    jail: str = "none"
    purge_networks: tuple[str, ...] = ()
    revalidate_after_seconds: int = 86_400
    connect_timeout_milliseconds: int = 250

    def __post_init__(self) -> None:
        _refuse_paths(run_dir=self.run_dir)
        if not _JAIL.fullmatch(self.jail):
            raise InvalidSetting(f"jail {self.jail!r} is none of varnishd's")
        _refuse_networks(self.purge_networks)
        _refuse_below("cache_bytes", self.cache_bytes, _CACHE_BYTES_MIN)
        _refuse_below("revalidate_after_seconds", self.revalidate_after_seconds, 1)
        _refuse_below("connect_timeout_milliseconds", self.connect_timeout_milliseconds, 1)


def allowed_purge_networks(cluster: Cluster, networks: tuple[str, ...]) -> tuple[str, ...]:
    """The networks that may purge: the chosen ones or, if none are, each storagemaster's host.

    Raises:
        InvalidSetting: A storagemaster has a host name, and no networks were chosen.
    """
    if networks:
        return networks
    hosts = tuple(dict.fromkeys(m.address.host.strip("[]") for m in cluster.masters.values()))
    for host in hosts:
        if not _is_network(host):
            raise InvalidSetting(
                f"storagemaster host {host!r} is no IP address, so purge_networks must be chosen"
            )
    return hosts


def local_disk_root(cluster: Cluster, edge: Edge, node_id: str) -> str:
    """The folder of the node that shares this edge's machine, or nothing where none was chosen.

    Raises:
        InvalidSetting: There is no such node in the edge's colo, or it has no disk.
    """
    if not node_id:
        return ""
    node = cluster.nodes.get(NodeId(node_id))
    if node is None or node.colo != edge.colo:
        raise InvalidSetting(f"disk_node {node_id!r} is no node of colo {edge.colo}")
    _refuse_paths(disk_node_store=node.store)
    return node.store.rstrip("/")


def _refuse_paths(**paths: str) -> None:
    # These few characters need no quoting in any server's language.
    for name, path in paths.items():
        if not _PATH.fullmatch(path):
            raise InvalidSetting(f"{name} {path!r} is not a plain absolute path")


def _refuse_networks(networks: Iterable[str]) -> None:
    for network in networks:
        if not _is_network(network):
            raise InvalidSetting(f"purge_networks: {network!r} is no IP address and no network")


def _refuse_below(name: str, value: int, least: int) -> None:
    if value < least:
        raise InvalidSetting(f"{name} must be at least {least}, is {value}")


def _is_network(text: str) -> bool:
    try:
        return not ipaddress.ip_network(text).network_address.is_unspecified
    except ValueError:
        return False
