"""Processor time of a status document and of its JSON, in clusters of 5,000 and 50,000 volumes.

The nodes are up and all volumes were compared and swept, as the state of a real storagemaster says.
Queue, ports, and audit log are played.
"""

import asyncio
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from bench.scale_cost import Cost
from bench.wide_cluster import wide_cluster
from permission_urls import generate_keys
from runtime.clients import ClientLimits, Clients
from runtime.traffic import Traffic
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.known_contents import KnownContents
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.settling import Settling
from storagemaster.operations.cluster_status import ClusterStatus
from storagemaster.repair.progress import RepairProgress
from storagenode.protocol.agreement import Agreed
from storagenode.protocol.files import VolumeSummary
from storagenode.protocol.wire import NodeStatus
from volumes.cluster import Cluster, Node

NODES, VOLUMES = 100, 50_000
TIMES = 10


@dataclass(frozen=True, slots=True)
class _StatusSource:
    """A node that always has the same status."""

    answer: NodeStatus

    async def status(self, *, timeout_seconds: float) -> NodeStatus:
        """Return the status."""
        del timeout_seconds
        return self.answer


def main() -> None:
    """Measure and print."""
    work = (VOLUMES // TIMES, VOLUMES)
    few, many = [asyncio.run(_status_seconds(volumes)) for volumes in work]
    for what, at_1x, at_10x in zip(("status document", "its JSON"), few, many, strict=True):
        print(Cost(what, "volumes", work, (at_1x, at_10x)))


async def _status_seconds(volumes: int) -> tuple[float, float]:
    """Return the processor time of a status document, and of its JSON."""
    cluster = wide_cluster(nodes=NODES, volumes=volumes)
    fleet = Fleet({node.id: _StatusSource(_status_of(cluster, node)) for node in _nodes(cluster)})
    await fleet.poll()
    status = _cluster_status(cluster, fleet)
    await status.document()
    started = time.process_time()
    document = await status.document()
    made = time.process_time()
    json.dumps(document)
    return made - started, time.process_time() - made


def _nodes(cluster: Cluster) -> list[Node]:
    return list(cluster.nodes.values())


def _status_of(cluster: Cluster, node: Node) -> NodeStatus:
    return NodeStatus(
        node=node.id,
        uuid=node.id,
        colo=node.colo,
        boot="1",
        volumes=tuple(cluster.volumes_on(node.id)),
        free_bytes=10**12,
        total_bytes=2 * 10**12,
        accepts_new_photos=True,
        suspect_reason="",
        hints=0,
    )


def _cluster_status(cluster: Cluster, fleet: Fleet) -> ClusterStatus:
    contents, settling = KnownContents(), Settling(fleet)
    for volume in cluster.volumes.values():
        settling.record_comparison(volume, begun=settling.begin())
        settling.record_sweep(volume, begun=settling.begin(), pending=())
        for mirror in volume.mirrors:
            contents.record(mirror, {volume.number: VolumeSummary("0" * 64, 1_000, 10**9)})
    played: Any = SimpleNamespace
    reconcile = played(
        comparison=played(contents=contents),
        progress=RepairProgress(),
        given_up={},
        conflicts={},
    )
    proven = played(proven=played(refused=dict))
    nodes: Mapping[Any, Any] = dict.fromkeys(cluster.nodes, proven)
    return ClusterStatus(
        Mirrors(cluster, nodes, fleet, _nodes(cluster)[0].colo),
        played(depths=_answer({}), oldest_job_seconds=_answer(None)),
        played(
            is_up=lambda _port: True,
            agreed=lambda _port: Agreed(),
            clock_difference_seconds=lambda *_ports: 0.0,
        ),
        played(map_digests_of_workers=_answer({})),
        reconcile,
        settling,
        played(alerts=list),
        played(lost_files=played(originals=())),
        played(master="one", document=lambda *_, **__: {"internal": False, "certificates": []}),
        generate_keys(random.Random(1).randbytes),
        Clients(ClientLimits(connections_max=1), Traffic(is_internal=False)),
    )


def _answer(value: Any) -> Any:
    async def answer(*_: Any) -> Any:
        return value

    return answer


if __name__ == "__main__":
    main()
