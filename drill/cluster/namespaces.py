"""Network namespaces: each colo has an address of its own, and a network that can lose packets.

A drill that changes the map cannot put proxies between the processes, because the map has the
address of each. Linux delivers the packets between two namespaces by a pair of virtual Ethernet
devices; a neighbor entry with a wrong hardware address makes the other side drop them.
"""

import contextlib
import dataclasses
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence

from glassplate.local.cluster import SERVER_PATH, LocalCluster
from glassplate.local.preparation import CONFIG_NAME
from glassplate.local.processes import SupervisedProcess

LOOPBACK = "127.0.0.1"
VARNISH = 'kind = "varnish"'
NEIGHBOR_OF_NONE = "02:00:00:00:00:00"
BLOCK_ADDRESSES = 8
BLOCKS = 2**17 // BLOCK_ADDRESSES
"""198.18.0.0/15 is for tests of networks (RFC 2544): each drill has a block of its own."""

_TABLE = re.compile(r"(?m)^(?=\[)")
_COLO = re.compile(r'(?m)^colo = "([^"]+)"$')


class Namespaces:
    """The namespaces of a cluster, one for each colo. Clients and shared services are outside."""

    def __init__(self, prefix: str, hosts: Mapping[str, str], outside: str) -> None:
        """Take the names' prefix, the address of each colo, and the address of all others."""
        self._prefix = prefix
        self.hosts = hosts
        self.outside = outside

    def command(self, colo: str, argv: Sequence[str]) -> list[str]:
        """Return the command that runs another one in the namespace of a colo."""
        return ["nsenter", f"--net=/run/netns/{self.name(colo)}", "--", *argv]

    def lose(self, site: str, other: str) -> None:
        """Lose all packets from one colo to the other, from now on. Connections hang."""
        entry = ("lladdr", NEIGHBOR_OF_NONE, "nud", "permanent", "dev", other)
        _ip("-n", self.name(site), "neigh", "replace", self.hosts[other], *entry)

    def deliver(self, site: str, other: str) -> None:
        """Deliver packets from one colo to the other again."""
        _ip("-n", self.name(site), "neigh", "delete", self.hosts[other], "dev", other)

    def connects(self, site: str, host: str, port: int, *, seconds_max: int = 1) -> bool:
        """Return True if a process of a colo can connect to an address."""
        script = f"exec 3<>/dev/tcp/{host}/{port}"
        attempt = self.command(site, ["timeout", str(seconds_max), "bash", "-c", script])
        return subprocess.run(attempt, check=False, capture_output=True).returncode == 0  # noqa: S603

    def name(self, colo: str) -> str:
        """Return the name of the namespace of a colo."""
        return f"{self._prefix}-{colo}"


def in_namespaces(local: LocalCluster, networks: Namespaces) -> LocalCluster:
    """Return a prepared cluster whose colos have these networks.

    Varnish stays outside, because its administration has a port on loopback. It reaches all colos.
    """
    config = local.data / CONFIG_NAME
    config.write_text(with_hosts(config.read_text(), networks.hosts, networks.outside))
    moved = LocalCluster.prepare(local.data)
    outside = {edge.id for edge in moved.cluster.edges.values() if edge.kind == "varnish"}
    plans = [process.plan for process in moved.processes]
    moved.processes = [
        SupervisedProcess(
            plan
            if plan.name in outside or not plan.colo
            else dataclasses.replace(plan, argv=networks.command(plan.colo, plan.argv))
        )
        for plan in plans
    ]
    return moved


def with_hosts(config: str, hosts: Mapping[str, str], outside: str) -> str:
    r"""Return a local config whose processes have the addresses of their colos.

    >>> with_hosts('queue = "127.0.0.1:1"\n[nodes.a]\ncolo = "east"\nread = "127.0.0.1:2"\n',
    ...            {"east": "198.18.0.1"}, "198.18.0.0")
    'queue = "198.18.0.0:1"\n[nodes.a]\ncolo = "east"\nread = "198.18.0.1:2"\n'
    """
    tables = []
    for table in _TABLE.split(config):
        colo = None if VARNISH in table else _COLO.search(table)
        tables.append(table.replace(LOOPBACK, hosts[colo[1]] if colo else outside))
    return "".join(tables)


@contextlib.contextmanager
def namespaces(colos: Sequence[str]) -> Iterator[Namespaces]:
    """Make a namespace for each colo, connected with all others, until the block exits.

    Raises:
        subprocess.CalledProcessError: This process is not root, or `ip` is not installed.
    """
    first = (os.getpid() % BLOCKS) * BLOCK_ADDRESSES
    outside, *others = (_address(first + n) for n in range(len(colos) + 1))
    prefix = f"glassplate-{os.getpid()}"
    made = Namespaces(prefix, dict(zip(colos, others, strict=True)), outside)
    with contextlib.ExitStack() as stack:
        for number, (colo, host) in enumerate(made.hosts.items()):
            name = made.name(colo)
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "delete", name)
            _ip("-n", name, "link", "set", "lo", "up")
            device = f"gp{os.getpid()}-{number}"
            _join(("", device, outside), (name, "outside", host))
            for other, other_host in list(made.hosts.items())[:number]:
                _join((name, other, host), (made.name(other), colo, other_host))
        yield made


def _join(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    """Connect two namespaces by a pair of devices. Each is a namespace, a device, an address."""
    (name, device, host), (other_name, other_device, other_host) = one, other
    place = ("netns", name) if name else ()
    peer = ("peer", "name", other_device, "netns", other_name)
    _ip("link", "add", device, *place, "type", "veth", *peer)
    for where, its, its_host, there in (
        (name, device, host, other_host),
        (other_name, other_device, other_host, host),
    ):
        inside = ("-n", where) if where else ()
        _ip(*inside, "address", "add", f"{its_host}/32", "dev", its)
        _ip(*inside, "link", "set", its, "up")
        _ip(*inside, "route", "add", f"{there}/32", "dev", its, "src", its_host)


def _address(number: int) -> str:
    return f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}"


def _ip(*arguments: str) -> None:
    program = shutil.which("ip", path=SERVER_PATH) or "ip"
    subprocess.run((program, *arguments), check=True, capture_output=True)  # noqa: S603
