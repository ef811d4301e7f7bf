"""The links of a cluster: a proxy for each server as each site sees it.

A site is a colo, or the clients. Every process gets a config of its own, in which all addresses but
its own are those of its site's links: so a colo can be cut off from another, one way or both, and
no process has to know.
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
"""The colo of what both colos use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Something that listens: a port of a process."""

    name: str
    """As in "east-1.read": the process and, if it has more than one, the port."""
    process: str
    colo: str
    address: Address


class Link:
    """The way from one site to one server."""

    def __init__(self, site: str, server: Server, proxy: TcpProxy) -> None:
        self.site = site
        self.server = server
        self.proxy = proxy

    @property
    def name(self) -> str:
        """As in "west>east-1.write"."""
        return f"{self.site}>{self.server.name}"


class Links:
    """All links of a cluster."""

    def __init__(self, links: list[Link]) -> None:
        self._links = links

    def chosen(self, sites: str, servers: str) -> list[Link]:
        """Links by patterns: of the site, and of the server's name."""
        return [
            link
            for link in self._links
            if fnmatch.fnmatch(link.site, sites) and fnmatch.fnmatch(link.server.name, servers)
        ]

    def between(self, site: str, colo: str) -> list[Link]:
        """Links from a site to all servers of a colo."""
        return [link for link in self._links if link.site == site and link.server.colo == colo]

    def address(self, site: str, server: str) -> Address:
        """Where a site reaches a server."""
        (link,) = self.chosen(site, server)
        return link.proxy.address

    def render_view(self, config: str, process: str, site: str) -> str:
        """A config as one process is to see it: its own ports as they are, all others by links."""
        for link in self._links:
            if link.site == site and link.server.process != process:
                config = config.replace(
                    f"{link.server.address}", f"{_FRESH}{link.proxy.address.port}"
                )
        return config.replace(_FRESH, "127.0.0.1:")


_FRESH = "(by link)"


def servers_of(cluster: Cluster) -> list[Server]:
    """Everything in a cluster that listens, by the names of its processes."""
    queue = parse_address(cluster.queue_url.removeprefix("redis://").partition("/")[0])
    found = [_server("valkey", SHARED, queue)]
    found += [
        _server(f"memcached-{number}", SHARED, address)
        for number, address in enumerate(cluster.memcached, 1)
    ]
    for node in cluster.nodes.values():
        found.append(_server(node.id, node.colo, node.read, "read"))
        found.append(_server(node.id, node.colo, node.write, "write"))
    found += [_server(m.id, m.colo, m.address) for m in cluster.masters.values()]
    for edge in cluster.edges.values():
        found.append(_server(edge.id, edge.colo, edge.listen, "listen"))
        found.append(_server(edge.id, edge.colo, edge.purge, "purge"))
    return found


@contextlib.asynccontextmanager
async def running_links(cluster: Cluster, *, seed: int) -> AsyncIterator[Links]:
    """A link for every site and server, for as long as the block lasts."""
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
    """A config for each process, beside the true one; by process. `sites` has each one's site."""
    text = config.read_text()
    views = {}
    for process, site in sites.items():
        views[process] = folder / f"{process}.seen.toml"
        views[process].write_text(links.render_view(text, process, site))
    return views


def _server(process: str, colo: str, address: Address, port: str = "") -> Server:
    name = f"{process}.{port}" if port else process
    return Server(name=name, process=process, colo=colo, address=address)
