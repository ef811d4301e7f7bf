"""Volumes of a scenario on its nodes: each mirror in another colo, spread over partners."""

import itertools
from collections.abc import Iterator

from capacity.scenario import Scenario
from volumes.address import Address
from volumes.cluster import Cluster, Colo, Node, NodeId, Volume
from volumes.photo_path import VolumeId

_NOWHERE = Address("127.0.0.1", 1)


def lay_out(scenario: Scenario) -> Cluster:
    """Return the cluster of a scenario, with its volumes on its nodes."""
    colos = [Colo(f"colo-{number}") for number in range(1, scenario.colos + 1)]
    by_colo: dict[Colo, list[NodeId]] = {colo: [] for colo in colos}
    nodes: dict[NodeId, Node] = {}
    for number in range(scenario.nodes):
        colo = colos[number % len(colos)]
        id_ = NodeId(f"{colo}-{number // len(colos) + 1}")
        by_colo[colo].append(id_)
        nodes[id_] = Node(id=id_, colo=colo, read=_NOWHERE, write=_NOWHERE, store="/disk")
    return Cluster(
        name="model",
        public_url="http://photos.example",
        keys_file="keys.toml",
        queue_url="redis://127.0.0.1",
        nodes=nodes,
        volumes={
            VolumeId(number): Volume(number=VolumeId(number), mirrors=mirrors)
            for number, mirrors in enumerate(
                itertools.islice(_mirrors(scenario, by_colo), scenario.volumes), 1
            )
        },
        masters={},
        edges={},
    )


def _mirrors(scenario: Scenario, by_colo: dict[Colo, list[NodeId]]) -> Iterator[tuple[NodeId, ...]]:
    """Yield the mirrors of volumes: sets of colos in turn, then nodes, then partners."""
    sets = list(itertools.combinations(by_colo.values(), scenario.mirrors))
    partners = scenario.partners or scenario.nodes_per_colo
    for turn in itertools.count():
        for sides in sets:
            first = turn % len(sides[0])
            shift = turn // len(sides[0]) % partners
            yield tuple(
                side[(first + position * shift) % len(side)] for position, side in enumerate(sides)
            )
