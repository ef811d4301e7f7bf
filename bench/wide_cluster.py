"""Clusters of many nodes and volumes, whose neighboring volumes have different mirrors."""

import random
from collections.abc import Sequence

from volumes.address import Address
from volumes.cluster import Cluster, Colo, Edge, Master, Node, NodeId, Volume
from volumes.photo_path import VolumeId

COLOS = (Colo("east"), Colo("west"))
MASTER = Master(id="one", colo=COLOS[0], address=Address("127.0.0.1", 1))


def wide_cluster(
    *,
    nodes: int,
    volumes: int,
    ports: Sequence[int] = (),
    edges: Sequence[Edge] = (),
    seed: int = 1,
) -> Cluster:
    """Return a cluster with the nodes in turn in two colos, with `ports` as read ports if given."""
    rng = random.Random(seed)
    made = [
        Node(
            id=NodeId(f"{COLOS[at % 2]}-{at // 2}"),
            colo=COLOS[at % 2],
            read=Address("127.0.0.1", ports[at] if ports else 1 + at),
            write=Address("127.0.0.1", 1001 + at),
            store="x",
        )
        for at in range(nodes)
    ]
    sides = [[node.id for node in made if node.colo == colo] for colo in COLOS]
    mirrors = ([rng.choice(side) for side in sides] for _ in range(volumes))
    return Cluster(
        name="wide",
        public_url="http://photos.test",
        keys_file="keys.toml",
        queue_url="redis://x",
        nodes={node.id: node for node in made},
        volumes={
            VolumeId(number): Volume(
                number=VolumeId(number), mirrors=tuple(rng.sample(pair, len(pair)))
            )
            for number, pair in enumerate(mirrors, 1)
        },
        masters={MASTER.id: MASTER},
        edges={edge.id: edge for edge in edges},
    )
