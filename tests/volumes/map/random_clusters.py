"""Random clusters and measurements, by seed, for properties of plans of moves."""

import random

from volumes.address import Address
from volumes.cluster import Node, NodeState, Volume
from volumes.config.map_tables import MapTables
from volumes.map.measurements import Measurements, NodeSpace

GIB = 1 << 30
DISK = 1000 * GIB


def node(id_, *, port=1, **changes):
    """Return a node whose id begins with its colo."""
    address = Address("10.0.0.1", port)
    return Node(
        id=id_, colo=id_.split("-")[0], read=address, write=address, store=f"/{id_}", **changes
    )


def tables_with(nodes, volumes):
    """Return a map of these nodes and volumes."""
    return MapTables(
        nodes={each.id: each for each in nodes},
        volumes={each.number: each for each in volumes},
        masters={},
        edges={},
        ingests={},
    )


def space(used_bytes, total_bytes=DISK):
    """Return the space of a node with this much on it, and a reserve of 1 %."""
    return NodeSpace(
        total_bytes=total_bytes,
        free_bytes=total_bytes - used_bytes,
        reserve_bytes=total_bytes // 100,
    )


def measured_by(tables, bytes_of, totals=None):
    """Return measurements of disks that hold their volumes and nothing more."""
    used = dict.fromkeys(tables.nodes, 0)
    for number, volume in tables.volumes.items():
        for id_ in volume.mirrors:
            used[id_] += bytes_of[number]
    totals = totals or dict.fromkeys(tables.nodes, DISK)
    return Measurements(
        bytes_of=bytes_of, space_of={id_: space(used[id_], totals[id_]) for id_ in tables.nodes}
    )


def random_cluster(seed):
    """Return the map, the measurements, and the dead nodes of a cluster in some trouble."""
    rng = random.Random(seed)
    colos = ["east", "west", "north", "south"][: rng.randint(2, 4)]
    nodes = [
        node(
            f"{colo}-{index}",
            weight=rng.choice([1.0, 1.0, 1.0, 0.5, 2.0]),
            state=rng.choices([NodeState.OPEN, NodeState.DRAINING], [9, 1])[0],
        )
        for colo in colos
        for index in range(1, rng.randint(2, 6))
    ]
    by_colo = {colo: [each.id for each in nodes if each.colo == colo] for colo in colos}
    # New nodes have no volumes yet.
    crowded = {colo: ids[: rng.randint(1, len(ids))] for colo, ids in by_colo.items()}
    volumes = []
    for number in range(1, rng.randint(2, 120)):
        chosen = rng.sample(colos, rng.randint(2, len(colos)))
        mirrors = [rng.choice(crowded[colo]) for colo in chosen]
        if rng.random() < 0.1:
            mirrors.append(rng.choice(crowded[chosen[0]]))
        volumes.append(Volume(number=number, mirrors=tuple(dict.fromkeys(mirrors))))
    tables = tables_with(nodes, volumes)
    scale = rng.choice([1 << 20, GIB, 8 * GIB])
    bytes_of = {each.number: int(rng.paretovariate(2) * scale) for each in volumes}
    totals = {each.id: rng.choice([DISK, DISK, DISK // 2, 2 * DISK]) for each in nodes}
    measured = measured_by(tables, bytes_of, totals)
    silent = {each.id for each in nodes if rng.random() < 0.03}
    spaces = {id_: each for id_, each in measured.space_of.items() if id_ not in silent}
    dead = {id_ for id_ in silent if rng.random() < 0.5}
    known = {number: size for number, size in bytes_of.items() if rng.random() < 0.99}
    return tables, Measurements(bytes_of=known, space_of=spaces), dead
