"""All machines of a simulated cluster: nodes, storagemasters, edges, and the queue."""

import asyncio
from collections.abc import Callable
from random import Random

from permission_urls import Key, KeyRing, KeyState
from tests.simulation.fake_services import CachingEdge, EdgeSession, ForgetfulQueue
from tests.simulation.ledger import Ledger
from tests.simulation.network import Machine, Network
from tests.simulation.node_link import NodeLink
from tests.simulation.simulated_disk import SimulatedDisk
from tests.simulation.simulated_master import SimulatedMaster
from tests.simulation.simulated_node import SimulatedNode
from tests.simulation.sparse_shards import SparseShards
from volumes.address import Address
from volumes.cluster import Cluster, Colo, Edge, Master, Node, NodeId, Volume
from volumes.photo_path import VolumeId
from volumes.sizes import Size

START_SECONDS = 1_700_000_000.0
KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(32)), state=KeyState.SIGNING),))
TWO_COLOS = {"east-1": "east", "east-2": "east", "west-1": "west", "west-2": "west"}
MASTERS = {"m1": "east", "m2": "west"}
THREE_COLOS = {"east-1": "east", "west-1": "west", "north-1": "north"}
SIZES = (Size("m", 240), Size("h", 1600))


class World:
    """The machines, their network, and the ledger of the clients."""

    def __init__(self, random: Random, shards: SparseShards) -> None:
        loop = asyncio.get_running_loop()
        self.random = random
        self.ledger = Ledger(loop.time)
        self.network = Network(random, self.ledger.add_violation)
        self.skew_seconds: dict[str, float] = {}
        config = _cluster(random)
        self.moves_volumes = len(config.nodes) == len(TWO_COLOS) and random.random() < 0.3
        self.queue = ForgetfulQueue(random)
        self.edges = {id_: CachingEdge(id_) for id_ in config.edges}
        self.nodes = {
            id_: SimulatedNode(
                config,
                node,
                KEYS,
                SimulatedDisk(self.clock_of(id_), shards),
                random,
                now_seconds=self.clock_of(id_),
                client_of=self._client_of,
            )
            for id_, node in config.nodes.items()
        }
        masters: dict[str, SimulatedMaster] = {}
        for name, colo in MASTERS.items():
            masters[name] = SimulatedMaster(
                name,
                colo,
                config,
                KEYS,
                random,
                now_seconds=self.clock_of(name),
                nodes=self.links_of,
                masters=masters,
                queue=self.queue,
                edge_session=self._edge_session,
                report=self.ledger.add_violation,
            )
        self.masters = list(masters.values())
        for node in self.nodes.values():
            node.start()
        for master in self.masters:
            master.start()

    @property
    def cluster(self) -> Cluster:
        """The cluster by the newest map that any node follows."""
        maps = [node.maps.cluster for node in self.nodes.values()]
        return max(maps, key=lambda cluster: cluster.map_version)

    def clock_of(self, name: str) -> Callable[[], float]:
        """Return the clock of a machine, which may be skewed."""
        loop = asyncio.get_running_loop()
        return lambda: START_SECONDS + loop.time() + self.skew_seconds.get(name, 0.0)

    def links_of(self, machine: Machine) -> dict[NodeId, NodeLink]:
        """Return the links from a machine to every node."""
        return {id_: NodeLink(self.network, machine, node) for id_, node in self.nodes.items()}

    def mirrors_of(self, volume: VolumeId) -> list[SimulatedNode]:
        """Return the mirrors of a volume."""
        return [self.nodes[id_] for id_ in self.cluster.volumes[volume].mirrors]

    def machines(self) -> list[Machine]:
        """Return all machines on the network."""
        return [*self.nodes.values(), *self.masters, *self.edges.values()]

    def _edge_session(self, machine: Machine) -> EdgeSession:
        return EdgeSession(self.network, machine, self.edges)

    def _client_of(self, machine: Machine, source: NodeId) -> NodeLink:
        return NodeLink(self.network, machine, self.nodes[source])


def _cluster(random: Random) -> Cluster:
    """Return a cluster of two colos with two nodes each, or sometimes three colos with one."""
    is_threefold = random.random() < 0.15
    colo_of = THREE_COLOS if is_threefold else TWO_COLOS
    mirrors = (
        {1: tuple(THREE_COLOS)}
        if is_threefold
        else {1: ("east-1", "west-1"), 2: ("east-2", "west-2")}
    )
    nodes = {
        NodeId(id_): Node(
            id=NodeId(id_),
            colo=Colo(colo),
            read=Address(id_, 80),
            write=Address(id_, 81),
            store=f"/{id_}",
        )
        for id_, colo in colo_of.items()
    }
    return Cluster(
        name="simulated",
        public_url="http://photos.example",
        keys_file="",
        queue_url="",
        sizes=SIZES,
        nodes=nodes,
        volumes={
            VolumeId(number): Volume(
                number=VolumeId(number), mirrors=tuple(NodeId(id_) for id_ in ids)
            )
            for number, ids in mirrors.items()
        },
        masters={
            name: Master(id=name, colo=Colo(colo), address=Address(name, 80))
            for name, colo in MASTERS.items()
        },
        edges={
            "edge-1": Edge(
                id="edge-1",
                colo=Colo("east"),
                kind="nginx",
                listen=Address("edge-1", 80),
                purge=Address("edge-1", 82),
            )
        },
    )
