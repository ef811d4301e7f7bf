"""The links of a cluster: one proxy for each pair of site and server.

A site is a colo, or the clients. The config of a process has the real addresses of its own ports
and the addresses of its site's links for all others. A drill can cut a colo off, in one direction
or both, without any change to a process.
"""

import contextlib
import fnmatch
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from drill.cluster.tcp_proxy import TcpProxy, running_proxy
from volumes.address import Address, parse_address
from volumes.cluster import Cluster

CLIENTS = "clients"
SHARED = ""
"""The colo of services that both colos use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A listening port of a process."""

    name: str
    """The process, and the port if it has several: "east-1.read"."""
    process: str
    colo: str
    address: Address


class Link:
    """Connection path from one site to one server."""

    def __init__(self, site: str, server: Server, proxy: TcpProxy) -> None:
        self.site = site
        self.server = server
        self.proxy = proxy

    @property
    def name(self) -> str:
        """Site and server: "west>east-1.write"."""
        return f"{self.site}>{self.server.name}"


class Links:
    """All links of a cluster."""

    def __init__(self, links: list[Link]) -> None:
        self._links = links

    def chosen(self, sites: str, servers: str) -> list[Link]:
        """Return the links whose site and server name match the patterns."""
        return [
            link
            for link in self._links
            if fnmatch.fnmatch(link.site, sites) and fnmatch.fnmatch(link.server.name, servers)
        ]

    def between(self, site: str, colo: str) -> list[Link]:
        """Return the links from a site to all servers of a colo."""
        return [link for link in self._links if link.site == site and link.server.colo == colo]

    def address(self, site: str, server: str) -> Address:
        """Return the address of a server for a site."""
        (link,) = self.chosen(site, server)
        return link.proxy.address

    def render_view(self, config: str, process: str, site: str) -> str:
        """Return the config of one process: its own ports unchanged, all others through links."""
        for link in self._links:
            if link.site == site and link.server.process != process:
                config = config.replace(
                    f"{link.server.address}", f"{_FRESH}{link.proxy.address.port}"
                )
        return config.replace(_FRESH, "127.0.0.1:")


_FRESH = "(by link)"


def servers_of(cluster: Cluster) -> list[Server]:
    """Return every listening port of a cluster."""
    queue = parse_address(cluster.queue_url.removeprefix("redis://").partition("/")[0])
    found = [_server("valkey", SHARED, queue)]
    found += [
        _server(f"memcached-{number}", SHARED, address)
        for number, address in enumerate(cluster.memcached, 1)
    ]
    for node in cluster.nodes.values():
        found.append(_server(node.id, node.colo, node.read, "read"))
        found.append(_server(node.id, node.colo, node.write, "write"))
    for master in cluster.masters.values():
        found.append(_server(master.id, master.colo, master.address))
        if master.internal is not None:
            found.append(_server(master.id, master.colo, master.internal, "workers"))
    for edge in cluster.edges.values():
        found.append(_server(edge.id, edge.colo, edge.listen, "listen"))
        found.append(_server(edge.id, edge.colo, edge.purge, "purge"))
    return found


@contextlib.asynccontextmanager
async def running_links(cluster: Cluster, *, seed: int) -> AsyncIterator[Links]:
    """Run a link for every site and server until the block exits."""
    links: list[Link] = []
    any_port = Address("127.0.0.1", 0)
    async with contextlib.AsyncExitStack() as stack:
        for site in (*cluster.colos, CLIENTS):
            for server in servers_of(cluster):
                running = running_proxy(any_port, server.address, seed=seed + len(links))
                links.append(Link(site, server, await stack.enter_async_context(running)))
        yield Links(links)


def write_views(
    links: Links, config: Path, sites: Mapping[str, str], folder: Path
) -> dict[str, Path]:
    """Write a config for each process beside the original; return the paths by process.

    `sites` maps each process to its site.
    """
    text = config.read_text()
    views = {}
    for process, site in sites.items():
        views[process] = folder / f"{process}.seen.toml"
        views[process].write_text(links.render_view(text, process, site))
    return views


def _server(process: str, colo: str, address: Address, port: str = "") -> Server:
    name = f"{process}.{port}" if port else process
    return Server(name=name, process=process, colo=colo, address=address)
