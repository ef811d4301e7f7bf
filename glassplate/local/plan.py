"""The config of the cluster that `glassplate up` runs, as text.

Two colos have two nodes each, on loopback. Each pair of nodes from both colos mirrors two volumes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PORTS_USED = 40
"""Size of the port range. The edges come first, because people type their ports."""

COLOS = ("east", "west")
VOLUMES_PER_PAIR = 2


@dataclass(frozen=True, slots=True)
class LocalPorts:
    """The ports of a local cluster, relative to the first."""

    first: int

    @property
    def edges(self) -> dict[str, int]:
        """The public port of each edge."""
        return {"east-nginx": self.first, "west-nginx": self.first + 1, "varnish": self.first + 2}

    @property
    def ingests(self) -> dict[str, int]:
        """The port of each nginx in front of the storagemasters."""
        return {"east-ingest": self.first + 3, "west-ingest": self.first + 4}

    @property
    def purge(self) -> dict[str, int]:
        """The purge port of each edge."""
        return {name: self.first + 5 + i for i, name in enumerate(self.edges)}

    @property
    def masters(self) -> dict[str, int]:
        """The port of each storagemaster."""
        return {"east-master": self.first + 10, "west-master": self.first + 11}

    @property
    def internal(self) -> dict[str, int]:
        """The port of each storagemaster for workers."""
        return {"east-master": self.first + 12, "west-master": self.first + 13}

    @property
    def reads(self) -> dict[str, int]:
        """The read port of each node."""
        return {node: self.first + 20 + i for i, node in enumerate(NODES)}

    @property
    def writes(self) -> dict[str, int]:
        """The write port of each node."""
        return {node: self.first + 25 + i for i, node in enumerate(NODES)}

    @property
    def valkey(self) -> int:
        """The port of the queue server."""
        return self.first + 30

    @property
    def memcached(self) -> int:
        """The port of memcached."""
        return self.first + 31

    @property
    def worker_metrics(self) -> int:
        """The first port of the workers' metrics."""
        return self.first + 32

    def all(self) -> dict[int, str]:
        """Return every port and its owner."""
        return {
            **{port: name for name, port in self.edges.items()},
            **{port: name for name, port in self.ingests.items()},
            **{port: f"{name} (purge)" for name, port in self.purge.items()},
            **{port: name for name, port in self.masters.items()},
            **{port: f"{name} (workers)" for name, port in self.internal.items()},
            **{port: f"{name} (reads)" for name, port in self.reads.items()},
            **{port: f"{name} (writes)" for name, port in self.writes.items()},
            self.valkey: "valkey",
            self.memcached: "memcached",
        }


NODES = tuple(f"{colo}-{number}" for colo in COLOS for number in (1, 2))


def render_local_cluster(ports: LocalPorts, uuids: Mapping[str, str] | None = None) -> str:
    """Return the `cluster.toml` of a local cluster. Its paths are relative to its folder.

    `uuids` are the uuids of the markers, by node. A root with another one is refused.
    """
    return "\n".join(
        [
            "# Written once by `glassplate up`. Edit it while the cluster is down.",
            'name = "local"',
            f'public_url = "http://127.0.0.1:{ports.first}"',
            'keys_file = "keys.toml"',
            f'queue_url = "redis://127.0.0.1:{ports.valkey}/0"',
            'queue_password_file = "queue-password"',
            f'memcached = ["127.0.0.1:{ports.memcached}"]',
            "",
            "[tls]",
            'internal = "on"',
            "",
            *(_node(node, ports, (uuids or {}).get(node, "")) for node in NODES),
            *_volumes(),
            *(_master(name, ports) for name in ports.masters),
            *(_edge(name, ports) for name in ports.edges),
            *(_ingest(name, port) for name, port in ports.ingests.items()),
        ]
    )


def colo_of(name: str) -> str:
    """Return the colo of a process by its name. Varnish is in the first colo."""
    return next((colo for colo in COLOS if name.startswith(colo)), COLOS[0])


def _node(node: str, ports: LocalPorts, uuid: str) -> str:
    block = f"""\
[nodes.{node}]
colo = "{colo_of(node)}"
read = "127.0.0.1:{ports.reads[node]}"
write = "127.0.0.1:{ports.writes[node]}"
store = "nodes/{node}"
"""
    return block + (f'uuid = "{uuid}"\n' if uuid else "")


def _volumes() -> list[str]:
    blocks, first = [], 1
    for east in NODES[:2]:
        for west in NODES[2:]:
            last = first + VOLUMES_PER_PAIR - 1
            blocks.append(
                f'[[volumes]]\nnumbers = "{first}-{last}"\nmirrors = ["{east}", "{west}"]\n'
            )
            first = last + 1
    return blocks


def _master(name: str, ports: LocalPorts) -> str:
    return f"""\
[masters.{name}]
colo = "{colo_of(name)}"
address = "127.0.0.1:{ports.masters[name]}"
internal = "127.0.0.1:{ports.internal[name]}"
"""


def _ingest(name: str, port: int) -> str:
    return f'[ingests.{name}]\ncolo = "{colo_of(name)}"\nlisten = "127.0.0.1:{port}"\n'


def _edge(name: str, ports: LocalPorts) -> str:
    kind = "varnish" if name == "varnish" else "nginx"
    return f"""\
[edges.{name}]
colo = "{colo_of(name)}"
kind = "{kind}"
listen = "127.0.0.1:{ports.edges[name]}"
purge = "127.0.0.1:{ports.purge[name]}"
"""
