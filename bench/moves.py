"""Plans of moves in a cluster of 300 nodes and 65,535 volumes, and rates of copies.

`make bench-moves`. The baseline of a plan is the time that an operator waits for it, five seconds.
"""

import asyncio
import dataclasses
import random
import sys
import time

from bench.figures import Figure, report, summarize
from bench.move_copies import measure_copies
from volumes.address import Address
from volumes.cluster import Colo, Node, NodeId, NodeState, Volume
from volumes.config.map_tables import MapTables
from volumes.map.measurements import Measurements, NodeSpace
from volumes.map.plan import WITHIN, plan_moves
from volumes.photo_path import VOLUME_MAX, VolumeId

SEED = 20_071
COLOS, NODES_PER_COLO = 6, 50
NODES_WITH_VOLUMES = 40
SECONDS_WANTED = 5.0
RUNS = 3
DISK_BYTES = 16 * 10**12


def main() -> int:
    """Measure plans, and return the exit status."""
    tables, measured = wide_cluster()
    colo = {
        id_: dataclasses.replace(node, state=NodeState.DRAINING)
        for id_, node in tables.nodes.items()
        if node.colo == "colo0"
    }
    drained = dataclasses.replace(tables, nodes={**tables.nodes, **colo})
    return report(
        "moves",
        [
            _figure("balance over 60 new nodes", tables, measured, WITHIN),
            _figure("drain of a colo of 50 nodes", drained, measured, None),
            *asyncio.run(measure_copies()),
        ],
    )


def _figure(name: str, tables: MapTables, measured: Measurements, within: float | None) -> Figure:
    seconds, moves = [], 0
    for _ in range(RUNS):
        started = time.perf_counter()
        moves = len(plan_moves(tables, measured, within=within, moves_max=100).moves)
        seconds.append(time.perf_counter() - started)
    print(f"{name}: {moves} moves planned in {min(seconds):.2f} to {max(seconds):.2f} s")
    return summarize(
        f"plan within 5 s: {name}",
        1.0,
        [(each, SECONDS_WANTED) for each in seconds],
        higher_is_better=False,
    )


def wide_cluster() -> tuple[MapTables, Measurements]:
    """Return a cluster in which a fifth of the nodes has no volumes yet."""
    rng = random.Random(SEED)
    nodes = {}
    for colo in range(COLOS):
        for number in range(NODES_PER_COLO):
            id_ = NodeId(f"colo{colo}-{number}")
            address = Address("10.0.0.1", 7101)
            nodes[id_] = Node(
                id=id_, colo=Colo(f"colo{colo}"), read=address, write=address, store=f"/srv/{id_}"
            )
    volumes, used, bytes_of = {}, dict.fromkeys(nodes, 0), {}
    for index in range(1, VOLUME_MAX + 1):
        number = VolumeId(index)
        mirrors = tuple(
            NodeId(f"colo{colo}-{rng.randrange(NODES_WITH_VOLUMES)}")
            for colo in rng.sample(range(COLOS), 2)
        )
        volumes[number] = Volume(number=number, mirrors=mirrors)
        bytes_of[number] = int(rng.gauss(18e9, 4e9))
        for node in mirrors:
            used[node] += bytes_of[number]
    tables = MapTables(nodes=nodes, volumes=volumes, masters={}, edges={}, ingests={})
    spaces = {
        id_: NodeSpace(
            total_bytes=DISK_BYTES,
            free_bytes=DISK_BYTES - used[id_],
            reserve_bytes=DISK_BYTES // 100,
        )
        for id_ in nodes
    }
    return tables, Measurements(bytes_of=bytes_of, space_of=spaces)


if __name__ == "__main__":
    sys.exit(main())
