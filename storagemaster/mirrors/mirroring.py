"""Storing a file on two nodes: streamed to all targets at once, then copied node to node."""

import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from runtime.crashpoint import crashpoint
from runtime.lag_free_timeout import lag_free_timeout
from storagemaster.errors import IdempotencyKeyReused, PhotoGone, Unavailable
from storagemaster.mirrors.copies import Copies, pending_mirrors
from storagemaster.mirrors.fan_out import StalledError, fan_out, run_all
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.newer_mirrors import NewerMirrors
from storagemaster.mirrors.placement import Placement, Target, handoff_nodes, spans_colos
from storagenode.protocol.errors import Conflict, Gone, NodeError, Unreachable
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import Pull
from volumes.cluster import NodeId
from volumes.photo_path import PhotoFile

log = logging.getLogger(__name__)

COPIES_MIN = 2
# Time for a copy between nodes: to start, and at the throughput of a failing disk.
PULL_SECONDS_MIN = 2.0
PULL_BYTES_PER_SECOND_MIN = 10_000_000

Write = Callable[[Target], Coroutine[Any, Any, None]]
_Outcome = TypeVar("_Outcome")


class Mirroring:
    """Writes of files to the nodes of a placement, and to handoff nodes where those fail."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors
        self._nodes = mirrors.nodes
        self._fleet = mirrors.fleet
        self._newer = NewerMirrors(mirrors)

    async def stream(
        self,
        file: PhotoFile,
        body: AsyncIterator[bytes] | bytes,
        placed: Placement,
        *,
        mtime_seconds: int,
        bytes_total: int | None,
        digest: Callable[[], str],
        strict: bool,
    ) -> Copies:
        """Write one body to all targets. Two copies are fsynced on return.

        Bytes are sent to each target in one request. `digest` returns the SHA-256 of the body
        after its end, so that it is computed once for all targets. A handoff node replaces a
        target that fails: it pulls the file from a node that has it, so the client never resends.

        Raises:
            Unavailable: Fewer than two nodes stored the file; nothing was acknowledged.
            IdempotencyKeyReused: The name holds other bytes.
            PhotoGone: A tombstone covers the file.
        """
        send = partial(self._send, file, body, mtime_seconds, bytes_total, digest)
        done, failed = self._split(placed, await send(placed))
        if not done and isinstance(body, bytes):
            newer = await self._newer.placement(placed, failed, strict=strict)
            if newer is not None:
                placed = newer
                done, failed = self._split(placed, await send(placed))
        if not done:
            raise Unavailable("no node stored the photo; nothing was stored, try again")
        instead = await self._instead(placed, done, failed)
        source, published = min(done.items(), key=lambda each: each[1].mtime_seconds)
        write = partial(self._pull, file, source, published)
        patience = self._mirrors.patience_seconds + published.bytes / PULL_BYTES_PER_SECOND_MIN
        # An earlier attempt stored the source. All copies have its second, or count as failed.
        take_second = partial(write, replaces=published.digest)
        for target in [
            each for each in done if done[each].mtime_seconds != published.mtime_seconds
        ]:
            if not await self._succeeds(take_second, target, patience_seconds=patience):
                failed[target] = StalledError("it has another second")
                del done[target]
        targets = await self._replace(
            list(failed), list(done), write, instead=instead, patience_seconds=patience
        )
        return self._copies(
            placed,
            targets,
            strict=strict,
            digest=published.digest,
            size_bytes=published.bytes,
            existed=not failed and all(p.existed for p in done.values()),
        )

    async def _send(
        self,
        file: PhotoFile,
        body: AsyncIterator[bytes] | bytes,
        mtime_seconds: int,
        bytes_total: int | None,
        digest: Callable[[], str],
        placed: Placement,
    ) -> list[Published | Exception]:
        """Send a body to all targets; return the outcome of each."""
        patience = self._mirrors.patience_seconds
        if isinstance(body, bytes):
            sha256 = digest()
            puts = [
                self._put_whole(target, file, mtime_seconds, body, sha256)
                for target in placed.targets
            ]
            # Unlike a streamed body, all of this one is sent within the patience.
            seconds = patience + len(body) / PULL_BYTES_PER_SECOND_MIN
            return await run_all(puts, patience_seconds=[seconds] * len(puts))
        sends = [
            partial(self._put, target, file, mtime_seconds, bytes_total, digest)
            for target in placed.targets
        ]
        return await fan_out(body, sends, patience_seconds=patience)

    async def publish_and_copy(
        self,
        file: PhotoFile,
        placed: Placement,
        holders: Sequence[NodeId],
        publish: Callable[[Target], Coroutine[Any, Any, Published]],
        *,
        size_bytes: int,
        strict: bool,
    ) -> Copies:
        """Store a file whose bytes are on `holders` already, under hidden names.

        A holder publishes its bytes; any other target pulls the file from one that did. Without a
        holder among the targets, one stores a hint for a mirror, so that there is a source.

        Raises:
            Unavailable, IdempotencyKeyReused, PhotoGone: As `stream` does.
        """
        sources = [target for target in placed.targets if target.node in holders]
        if not sources:
            first = placed.targets[0]
            sources = [Target(holders[0], hint_for=first.hint_for or first.node)]
        patience = pull_seconds(size_bytes)
        published_on = await run_all(
            [publish(target) for target in sources], patience_seconds=[patience] * len(sources)
        )
        outcomes = dict(zip(sources, published_on, strict=True))
        done = {each: it for each, it in outcomes.items() if not isinstance(it, Exception)}
        if not done:
            for target, outcome in outcomes.items():
                assert isinstance(outcome, Exception), "every source failed"
                self._record_failure(target, outcome)
            raise Unavailable("no node stored the photo; nothing was stored, try again")
        (source, published), *_ = done.items()

        async def write(target: Target) -> None:
            outcome = outcomes.get(target)
            if isinstance(outcome, Exception):
                raise outcome
            if outcome is None:
                await self._pull(file, source, published, target)

        copies = await self.write_all(placed, write, strict=strict, patience_seconds=patience)
        existed = all(each.existed for each in done.values()) and len(done) == len(copies.targets)
        return replace(copies, digest=published.digest, size_bytes=published.bytes, existed=existed)

    async def write_all(
        self,
        placed: Placement,
        write: Write,
        *,
        strict: bool = False,
        patience_seconds: float | None = None,
    ) -> Copies:
        """Run a short write on all targets, and on handoff nodes where those fail or lag.

        The patience is that of uploads, unless another one is given.

        Raises:
            Unavailable: Fewer than two nodes, or no mirror of the volume, completed the write.
            IdempotencyKeyReused: The name holds other bytes.
            PhotoGone: A tombstone covers the file.
        """
        patience = patience_seconds or self._mirrors.patience_seconds
        outcomes = await run_all(
            [write(target) for target in placed.targets],
            patience_seconds=[patience] * len(placed.targets),
        )
        done, failed = self._split(placed, outcomes)
        instead = await self._instead(placed, done, failed)
        targets = await self._replace(
            list(failed), list(done), write, instead=instead, patience_seconds=patience
        )
        return self._copies(placed, targets, strict=strict)

    def _split(
        self, placed: Placement, outcomes: Sequence[_Outcome | Exception]
    ) -> tuple[dict[Target, _Outcome], dict[Target, Exception]]:
        """Return the outcomes of the targets that succeeded, and the errors of the others."""
        done: dict[Target, _Outcome] = {}
        failed: dict[Target, Exception] = {}
        for target, outcome in zip(placed.targets, outcomes, strict=True):
            if isinstance(outcome, Exception):
                self._record_failure(target, outcome)
                failed[target] = outcome
            else:
                done[target] = outcome
        return done, failed

    async def _instead(
        self, placed: Placement, done: Iterable[Target], failed: Mapping[Target, Exception]
    ) -> dict[Target, NodeId]:
        """Return the mirrors of a newer map that replace targets; raise without any mirror."""
        instead = await self._newer.instead_of(placed, failed)
        _require_mirror([*done, *map(Target, instead.values())])
        return instead

    async def _put(
        self,
        target: Target,
        file: PhotoFile,
        mtime_seconds: int,
        bytes_total: int | None,
        digest: Callable[[], str],
        body: AsyncIterator[bytes],
    ) -> Published:
        published = await self._nodes[target.node].put(
            Place(file, target.hint_for),
            body,
            mtime_seconds=mtime_seconds,
            bytes_total=bytes_total,
            digest=digest,
        )
        crashpoint("copy_made")
        return published

    async def _put_whole(
        self,
        target: Target,
        file: PhotoFile,
        mtime_seconds: int,
        data: bytes,
        digest: str,
    ) -> Published:
        place = Place(file, target.hint_for)
        published = await self._nodes[target.node].put_whole(
            place, data, mtime_seconds=mtime_seconds, digest=digest
        )
        crashpoint("copy_made")
        return published

    async def _pull(
        self,
        file: PhotoFile,
        source: Target,
        published: Published,
        target: Target,
        *,
        replaces: str = "",
    ) -> None:
        pull = Pull(
            place=Place(file, target.hint_for),
            source_node=source.node,
            source=self._nodes[source.node].url,
            source_place=Place(file, source.hint_for),
            digest=published.digest,
            replaces=replaces,
        )
        await self._nodes[target.node].pull(pull, timeout_seconds=pull_seconds(published.bytes))

    async def _replace(
        self,
        failed: Sequence[Target],
        done: Sequence[Target],
        write: Write,
        *,
        instead: Mapping[Target, NodeId],
        patience_seconds: float,
    ) -> tuple[Target, ...]:
        """Return the targets that stored the file, with others in place of the failed.

        They are mirrors of a newer map or else handoff nodes. One that exceeds the patience is
        replaced by the next one, if there is one.
        """
        targets = list(done)
        for target in failed:
            mirror = instead.get(target) or target.hint_for or target.node
            handoffs = handoff_nodes(
                self._mirrors.cluster,
                self._fleet.view(),
                mirror=mirror,
                taken=[each.node for each in targets],
                failed=[each.node for each in failed],
            )
            left = [Target(node, hint_for=mirror) for node in handoffs]
            if target in instead:
                left.insert(0, Target(mirror))
            while left:
                other = left.pop(0)
                limit = patience_seconds if left else None
                if await self._succeeds(write, other, patience_seconds=limit):
                    targets.append(other)
                    break
        _require_mirror(targets)
        return tuple(targets)

    async def _succeeds(
        self, write: Write, target: Target, *, patience_seconds: float | None
    ) -> bool:
        """Return True if a target completes a write within the patience."""
        try:
            async with lag_free_timeout(patience_seconds):
                await write(target)
        except TimeoutError:
            self._record_failure(target, StalledError("it did not respond in time"))
        except NodeError as error:
            self._record_failure(target, error)
        else:
            return True
        return False

    def _copies(
        self,
        placed: Placement,
        targets: tuple[Target, ...],
        *,
        strict: bool,
        digest: str = "",
        size_bytes: int = 0,
        existed: bool = False,
    ) -> Copies:
        spans = spans_colos(self._mirrors.cluster, targets)
        if len(targets) < COPIES_MIN:
            raise Unavailable("only one node stored the file, and two are required; try again")
        if strict and not spans:
            raise Unavailable("only one colo stored the file, and strict requires two; try again")
        return Copies(
            targets=targets,
            spans_colos=spans,
            digest=digest,
            size_bytes=size_bytes,
            existed=existed,
            pending_mirrors=pending_mirrors(
                self._mirrors.cluster, self._mirrors.volume(placed.volume), targets
            ),
        )

    def _record_failure(self, target: Target, error: Exception) -> None:
        """Mark an unreachable node as down, and raise an error that holds for every mirror."""
        if isinstance(error, Gone):
            raise PhotoGone(str(error))
        if isinstance(error, Conflict):
            log.info("node %s refused a write: %s", target.node, error)
            raise IdempotencyKeyReused
        if isinstance(error, Unreachable | StalledError):
            self._fleet.mark_down(target.node, str(error))
        log.warning("node %s failed a write: %s", target.node, error)


def _require_mirror(targets: Iterable[Target]) -> None:
    """Raise unless a mirror has the file: edges query only mirrors, and would respond 404."""
    if not any(target.hint_for is None for target in targets):
        raise Unavailable("no mirror of the volume stored the file; try again")


def pull_seconds(size_bytes: int) -> float:
    """Return the time after which a copy between nodes counts as stuck, in seconds."""
    return PULL_SECONDS_MIN + size_bytes / PULL_BYTES_PER_SECOND_MIN
