"""Convergence of a cluster, and its final state.

The drill reads the disks directly, without the nodes, and reads every photo from every server.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import aiohttp

from drill.checks.final_state import FinalState, ObservedResponse, StoredFile, info_digests
from drill.checks.photo_index import PhotoIndex, index_history
from drill.cluster.drill_cluster import DrillCluster
from drill.history import now_ns
from volumes.photo_path import (
    Failure,
    Info,
    Variant,
    parse_path,
    parse_photo_version,
    render_path,
)

POLL_SECONDS = 0.5
GET_SECONDS_MAX = 10.0
GETS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class PendingWork:
    """Pending work of a cluster. A converged cluster has none."""

    differing: int
    """Files that a mirror lacks, or whose bytes differ from the recorded digest."""
    missing_bytes: int
    left_over: int
    """Hints and staged files."""
    unsized: int
    """Photos with neither sizes nor a failure record."""
    down: int

    @property
    def is_over(self) -> bool:
        """True if the cluster has converged."""
        return not (self.differing or self.left_over or self.unsized or self.down)

    def __str__(self) -> str:
        return (
            f"{self.differing} files differ, {self.left_over} left over, "
            f"{self.unsized} without sizes, {self.down} processes down"
        )


async def find_pending_work(drill_cluster: DrillCluster) -> PendingWork:
    """Return the pending work of the cluster."""
    state = await asyncio.to_thread(read_disks, drill_cluster)
    return pending_work(drill_cluster, state, index_history(drill_cluster.history.operations))


async def wait_until_converged(drill_cluster: DrillCluster, *, seconds_max: float) -> float | None:
    """Wait until no work is pending; return the seconds it took, or None after `seconds_max`."""
    begun = time.monotonic()
    while True:
        pending = await find_pending_work(drill_cluster)
        took = time.monotonic() - begun
        if pending.is_over:
            return took
        if took > seconds_max:
            return None
        await asyncio.sleep(POLL_SECONDS)


def pending_work(drill_cluster: DrillCluster, state: FinalState, index: PhotoIndex) -> PendingWork:
    """Return the pending work that the disks show."""
    differing = missing_bytes = 0
    for path in {path for files in state.files.values() for path in files}:
        holders = state.holders(path)
        lacking = state.lacking(path) if holders else ()
        if state.differs(path) or not all(h.is_as_recorded(path) for h in holders.values()):
            differing += 1
            missing_bytes += len(lacking) * max((h.bytes for h in holders.values()), default=0)
    unsized = 0
    for promise in index.promises.values():
        if state.is_deleted(promise.reference):
            continue
        photo_version = parse_photo_version(promise.reference)
        documents = [render_path(Info(photo_version)), render_path(Failure(photo_version))]
        if not any(state.holders(each) for each in documents):
            unsized += 1
            missing_bytes += sum(h.bytes for h in state.holders(promise.path).values())
    down = sum(process.pid is None for process in drill_cluster.local.processes)
    return PendingWork(differing, missing_bytes, len(state.leftovers), unsized, down)


def read_disks(drill_cluster: DrillCluster) -> FinalState:
    """Return the files of all nodes, read byte by byte."""
    files: dict[str, dict[str, StoredFile]] = {}
    infos: dict[str, dict[str, str]] = {}
    for node, store in drill_cluster.stores.items():
        files[node] = {}
        for path, data, recorded in store.photo_files():
            files[node][path] = StoredFile(hashlib.sha256(data).hexdigest(), recorded, len(data))
            file = parse_path(path)
            if isinstance(file, Info):
                infos.setdefault(str(file.photo_version), info_digests(file, data))
    stores = drill_cluster.stores.items()
    leftovers = [f"{node}:{path}" for node, store in stores for path in store.leftovers()]
    quarantined = sum(store.quarantined() for _, store in stores)
    return FinalState(
        mirrors={int(n): tuple(v.mirrors) for n, v in drill_cluster.cluster.volumes.items()},
        files=files,
        infos=infos,
        leftovers=tuple(leftovers),
        quarantined=quarantined,
        nodes=frozenset(drill_cluster.cluster.nodes),
    )


async def read_from_all_servers(
    drill_cluster: DrillCluster, index: PhotoIndex, *, until_ns: int
) -> dict[str, dict[str, ObservedResponse]]:
    """Return the response of every mirror and edge to a GET of every known path.

    An edge may still serve a removed photo if a mirror did not know of the removal. Such an edge
    is read again until its bound is over.
    """
    responses = await _read_all(drill_cluster, drill_cluster.urls)
    while now_ns() < until_ns:
        late = [
            path
            for path, given in responses.items()
            if index.removed_by(index.reference_of_path.get(path, ""))
            and any(response.status == 200 for response in given.values())
        ]
        if not late:
            break
        await asyncio.sleep(POLL_SECONDS)
        responses |= await _read_all(drill_cluster, late)
    return responses


async def _read_all(
    drill_cluster: DrillCluster, paths: Iterable[str]
) -> dict[str, dict[str, ObservedResponse]]:
    responses: dict[str, dict[str, ObservedResponse]] = {path: {} for path in paths}
    gate = asyncio.Semaphore(GETS_AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=GET_SECONDS_MAX)
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def one(path: str, server: str, url: str) -> None:
            async with gate:
                responses[path][server] = await _get(session, url)

        await asyncio.gather(
            *(
                one(path, server, base + drill_cluster.urls[path])
                for path in responses
                for server, base in _servers(drill_cluster, path).items()
            )
        )
    return responses


def _servers(drill_cluster: DrillCluster, path: str) -> Mapping[str, str]:
    cluster = drill_cluster.cluster
    volume = parse_path(path)
    mirrors = cluster.mirrors_of(volume.photo_version.volume) if isinstance(volume, Variant) else ()
    return {
        **{node.id: f"http://{node.read}" for node in mirrors},
        **{edge: drill_cluster.edge_url(edge) for edge in drill_cluster.edges},
    }


async def _get(session: aiohttp.ClientSession, url: str) -> ObservedResponse:
    try:
        async with session.get(url) as response:
            body = await response.read()
            headers = response.headers
            return ObservedResponse(
                status=response.status,
                digest=hashlib.sha256(body).hexdigest(),
                bytes=len(body),
                etag=headers.get("ETag", ""),
                last_modified=headers.get("Last-Modified", ""),
                content_type=headers.get("Content-Type", ""),
            )
    except (aiohttp.ClientError, TimeoutError, OSError):
        return ObservedResponse(status=0)
