"""Waiting until a cluster is at rest, and gathering what it holds then.

Disks are read as they are, behind the nodes' backs; and every server is asked for every photo.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import aiohttp

from drill.checks.final_state import FinalState, HeldFile, ObservedResponse
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
    """What a cluster has still to do; at rest it is all nothing."""

    differing: int
    """Files that a mirror lacks, or that are not what is noted of them."""
    missing_bytes: int
    left_over: int
    """Owed and staged files."""
    unsized: int
    """Photos with neither sizes nor a reason."""
    down: int

    @property
    def is_over(self) -> bool:
        """Whether the cluster is at rest."""
        return not (self.differing or self.left_over or self.unsized or self.down)

    def __str__(self) -> str:
        return (
            f"{self.differing} files differ, {self.left_over} left over, "
            f"{self.unsized} without sizes, {self.down} processes down"
        )


async def find_pending_work(drill_cluster: DrillCluster) -> PendingWork:
    """What the cluster has still to do."""
    state = await asyncio.to_thread(read_disks, drill_cluster)
    return pending_work(drill_cluster, state, index_history(drill_cluster.history.operations))


async def wait_until_converged(drill_cluster: DrillCluster, *, seconds_max: float) -> float | None:
    """How many seconds it took until there was nothing left to do; None if that was too long."""
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
    """What is to be done, by what is on the disks."""
    differing = missing_bytes = 0
    for path in {path for files in state.files.values() for path in files}:
        holders = state.holders(path)
        whole = {h.digest for h in holders.values() if h.digest == h.noted}
        bad = [h for h in holders.values() if h.digest != h.noted]
        lacking = state.lacking(path) if holders else ()
        if lacking or bad or len(whole) != 1:
            differing += 1
            missing_bytes += len(lacking) * max((h.bytes for h in holders.values()), default=0)
    unsized = 0
    for promise in index.promises.values():
        if state.is_deleted(promise.reference):
            continue
        photo_version = parse_photo_version(promise.reference)
        notes = [render_path(Info(photo_version)), render_path(Failure(photo_version))]
        if not any(state.holders(note) for note in notes):
            unsized += 1
            missing_bytes += sum(h.bytes for h in state.holders(promise.path).values())
    down = sum(process.pid is None for process in drill_cluster.local.processes)
    return PendingWork(differing, missing_bytes, len(state.leftovers), unsized, down)


def read_disks(drill_cluster: DrillCluster) -> FinalState:
    """Everything in the stores of all nodes, read byte by byte."""
    files: dict[str, dict[str, HeldFile]] = {}
    infos: dict[str, dict[str, str]] = {}
    for node, store in drill_cluster.stores.items():
        files[node] = {}
        for path, data, noted in store.photo_files():
            files[node][path] = HeldFile(hashlib.sha256(data).hexdigest(), noted, len(data))
            file = parse_path(path)
            if isinstance(file, Info):
                infos.setdefault(str(file.photo_version), _named(file, data))
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
    """What every mirror and every edge says to a GET of every path that was ever told of.

    An edge that has yet to forget what was removed while a mirror did not know is asked again,
    until its bound is over.
    """
    answers = await _ask(drill_cluster, drill_cluster.urls)
    while now_ns() < until_ns:
        late = [
            path
            for path, given in answers.items()
            if index.removed_by(index.reference_of_path.get(path, ""))
            and any(answer.status == 200 for answer in given.values())
        ]
        if not late:
            break
        await asyncio.sleep(POLL_SECONDS)
        answers |= await _ask(drill_cluster, late)
    return answers


async def _ask(
    drill_cluster: DrillCluster, paths: Iterable[str]
) -> dict[str, dict[str, ObservedResponse]]:
    answers: dict[str, dict[str, ObservedResponse]] = {path: {} for path in paths}
    gate = asyncio.Semaphore(GETS_AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=GET_SECONDS_MAX)
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def one(path: str, server: str, url: str) -> None:
            async with gate:
                answers[path][server] = await _get(session, url)

        await asyncio.gather(
            *(
                one(path, server, base + drill_cluster.urls[path])
                for path in answers
                for server, base in _servers(drill_cluster, path).items()
            )
        )
    return answers


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


def _named(info: Info, data: bytes) -> dict[str, str]:
    """The digest of each path that an info document names; nothing where it is damaged."""
    try:
        document = json.loads(data)
    except ValueError:
        return {}
    original, variants = document["original"], document["variants"]
    assert isinstance(original, dict), "an info document has its original"
    assert isinstance(variants, list), "an info document has its variants"
    named = {
        render_path(Variant(info.photo_version, "o", original["ext"])): str(original["sha256"])
    }
    for each in variants:
        if each["sha256"] is not None:
            path = render_path(Variant(info.photo_version, each["size"], each["ext"]))
            named[path] = str(each["sha256"])
    return named
