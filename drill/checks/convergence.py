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

from drill.checks.final_state import Answer, FinalState, HeldFile
from drill.checks.photo_index import Told, tell
from drill.cluster.drill_cluster import Drilled
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
class Unrest:
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


async def look_for_unrest(drilled: Drilled) -> Unrest:
    """What the cluster has still to do."""
    state = await asyncio.to_thread(read_disks, drilled)
    return unrest_of(drilled, state, tell(drilled.history.operations))


async def wait_until_at_rest(drilled: Drilled, *, seconds_max: float) -> float | None:
    """How many seconds it took until there was nothing left to do; None if that was too long."""
    begun = time.monotonic()
    while True:
        unrest = await look_for_unrest(drilled)
        took = time.monotonic() - begun
        if unrest.is_over:
            return took
        if took > seconds_max:
            return None
        await asyncio.sleep(POLL_SECONDS)


def unrest_of(drilled: Drilled, state: FinalState, told: Told) -> Unrest:
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
    for promise in told.promises.values():
        if state.is_buried(promise.reference):
            continue
        of = parse_photo_version(promise.reference)
        notes = [render_path(Info(of)), render_path(Failure(of))]
        if not any(state.holders(note) for note in notes):
            unsized += 1
            missing_bytes += sum(h.bytes for h in state.holders(promise.path).values())
    down = sum(process.pid is None for process in drilled.local.processes)
    return Unrest(differing, missing_bytes, len(state.leftovers), unsized, down)


def read_disks(drilled: Drilled) -> FinalState:
    """Everything in the stores of all nodes, read byte by byte."""
    files: dict[str, dict[str, HeldFile]] = {}
    infos: dict[str, dict[str, str]] = {}
    for node, store in drilled.stores.items():
        files[node] = {}
        for path, data, noted in store.photo_files():
            files[node][path] = HeldFile(hashlib.sha256(data).hexdigest(), noted, len(data))
            file = parse_path(path)
            if isinstance(file, Info):
                infos.setdefault(str(file.of), _named(file, data))
    stores = drilled.stores.items()
    leftovers = [f"{node}:{path}" for node, store in stores for path in store.leftovers()]
    quarantined = sum(store.quarantined() for _, store in stores)
    return FinalState(
        mirrors={int(n): tuple(v.mirrors) for n, v in drilled.cluster.volumes.items()},
        files=files,
        infos=infos,
        leftovers=tuple(leftovers),
        quarantined=quarantined,
        nodes=frozenset(drilled.cluster.nodes),
    )


async def ask_everybody(
    drilled: Drilled, told: Told, *, until_ns: int
) -> dict[str, dict[str, Answer]]:
    """What every mirror and every edge says to a GET of every path that was ever told of.

    An edge that has yet to forget what was removed while a mirror did not know is asked again,
    until its bound is over.
    """
    answers = await _ask(drilled, drilled.urls)
    while now_ns() < until_ns:
        late = [
            path
            for path, given in answers.items()
            if told.removed_by(told.reference_of_path.get(path, ""))
            and any(answer.status == 200 for answer in given.values())
        ]
        if not late:
            break
        await asyncio.sleep(POLL_SECONDS)
        answers |= await _ask(drilled, late)
    return answers


async def _ask(drilled: Drilled, paths: Iterable[str]) -> dict[str, dict[str, Answer]]:
    answers: dict[str, dict[str, Answer]] = {path: {} for path in paths}
    gate = asyncio.Semaphore(GETS_AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=GET_SECONDS_MAX)
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def one(path: str, server: str, url: str) -> None:
            async with gate:
                answers[path][server] = await _get(session, url)

        await asyncio.gather(
            *(
                one(path, server, base + drilled.urls[path])
                for path in answers
                for server, base in _servers(drilled, path).items()
            )
        )
    return answers


def _servers(drilled: Drilled, path: str) -> Mapping[str, str]:
    cluster = drilled.cluster
    volume = parse_path(path)
    mirrors = cluster.mirrors_of(volume.of.volume) if isinstance(volume, Variant) else ()
    return {
        **{node.id: f"http://{node.read}" for node in mirrors},
        **{edge: drilled.edge_url(edge) for edge in drilled.edges},
    }


async def _get(session: aiohttp.ClientSession, url: str) -> Answer:
    try:
        async with session.get(url) as response:
            body = await response.read()
            headers = response.headers
            return Answer(
                status=response.status,
                digest=hashlib.sha256(body).hexdigest(),
                bytes=len(body),
                etag=headers.get("ETag", ""),
                last_modified=headers.get("Last-Modified", ""),
                content_type=headers.get("Content-Type", ""),
            )
    except (aiohttp.ClientError, TimeoutError, OSError):
        return Answer(status=0)


def _named(info: Info, data: bytes) -> dict[str, str]:
    """The digest of each path that an info document names; nothing where it is damaged."""
    try:
        document = json.loads(data)
    except ValueError:
        return {}
    original, variants = document["original"], document["variants"]
    assert isinstance(original, dict), "an info document has its original"
    assert isinstance(variants, list), "an info document has its variants"
    named = {render_path(Variant(info.of, "o", original["ext"])): str(original["sha256"])}
    for each in variants:
        if each["sha256"] is not None:
            path = render_path(Variant(info.of, each["size"], each["ext"]))
            named[path] = str(each["sha256"])
    return named
