"""The cluster that `glassplate up` runs on one machine, as a config: pure text.

Two colos of two nodes on loopback, every volume in both colos, every pair of nodes sharing some.
"""

from dataclasses import dataclass

PORTS_USED = 40
"""`--port N` uses N to N + 39: the edges first, because people type those."""

COLOS = ("east", "west")
VOLUMES_PER_PAIR = 2


@dataclass(frozen=True, slots=True)
class LocalPorts:
    """The ports of a local cluster, counted from its first."""

    first: int

    @property
    def edges(self) -> dict[str, int]:
        """The public port of each edge."""
        return {"east-nginx": self.first, "west-nginx": self.first + 1, "varnish": self.first + 2}

    @property
    def purge(self) -> dict[str, int]:
        """The port at which storagemasters purge each edge."""
        return {name: self.first + 5 + i for i, name in enumerate(self.edges)}

    @property
    def masters(self) -> dict[str, int]:
        """The port of each storagemaster."""
        return {"east-master": self.first + 10, "west-master": self.first + 11}

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
        """The port of the queue."""
        return self.first + 30

    @property
    def memcached(self) -> int:
        """The port of the sideline cache."""
        return self.first + 31

    def all(self) -> dict[int, str]:
        """Every port and whose it is."""
        return {
            **{port: name for name, port in self.edges.items()},
            **{port: f"{name} (purge)" for name, port in self.purge.items()},
            **{port: name for name, port in self.masters.items()},
            **{port: f"{name} (reads)" for name, port in self.reads.items()},
            **{port: f"{name} (writes)" for name, port in self.writes.items()},
            self.valkey: "valkey",
            self.memcached: "memcached",
        }


NODES = tuple(f"{colo}-{number}" for colo in COLOS for number in (1, 2))


def render_local_cluster(ports: LocalPorts) -> str:
    """`cluster.toml` of a local cluster, relative to the folder it is in."""
    return "\n".join(
        [
            "# Written by `glassplate up`, which keeps what it finds: edit it while it is down.",
            'name = "local"',
            f'public_url = "http://127.0.0.1:{ports.first}"',
            'keys_file = "keys.toml"',
            f'queue_url = "redis://127.0.0.1:{ports.valkey}/0"',
            f'memcached = ["127.0.0.1:{ports.memcached}"]',
            "",
            *(_node(node, ports) for node in NODES),
            *_volumes(),
            *(_master(name, port) for name, port in ports.masters.items()),
            *(_edge(name, ports) for name in ports.edges),
        ]
    )


def colo_of(name: str) -> str:
    """The colo a process is in, by its name; the one Varnish is in the first."""
    return next((colo for colo in COLOS if name.startswith(colo)), COLOS[0])


def _node(node: str, ports: LocalPorts) -> str:
    return f"""\
[nodes.{node}]
colo = "{colo_of(node)}"
read = "127.0.0.1:{ports.reads[node]}"
write = "127.0.0.1:{ports.writes[node]}"
store = "nodes/{node}"
"""


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


def _master(name: str, port: int) -> str:
    return f'[masters.{name}]\ncolo = "{colo_of(name)}"\naddress = "127.0.0.1:{port}"\n'


def _edge(name: str, ports: LocalPorts) -> str:
    kind = "varnish" if name == "varnish" else "nginx"
    return f"""\
[edges.{name}]
colo = "{colo_of(name)}"
kind = "{kind}"
listen = "127.0.0.1:{ports.edges[name]}"
purge = "127.0.0.1:{ports.purge[name]}"
"""
