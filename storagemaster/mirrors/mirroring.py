"""Getting a file onto two nodes: streamed to all targets at once, completed node to node."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from runtime.crashpoint import crashpoint
from storagemaster.errors import IdempotencyKeyReused, PhotoGone, Unavailable
from storagemaster.mirrors.fan_out import StalledError, fan_out, run_all
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.placement import Placement, Target, handoff_nodes, spans_colos
from storagenode.client import NodeClient
from storagenode.protocol.errors import Conflict, Gone, NodeError, Unreachable
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import Pull
from volumes.cluster import Cluster, NodeId
from volumes.photo_path import PhotoFile

log = logging.getLogger(__name__)

# A frozen mirror may cost an upload this much, and then another node takes its copy.
PATIENCE_SECONDS = 0.7
COPIES_MIN = 2
# A copy from node to node: a little to begin with, then as slow as a disk that is nearly gone.
PULL_SECONDS_MIN = 2.0
PULL_BYTES_PER_SECOND_MIN = 10_000_000

Write = Callable[[Target], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Where a file is, fsynced, after it was written."""

    targets: tuple[Target, ...]
    spans_colos: bool
    digest: str = ""
    size_bytes: int = 0
    existed: bool = False
    """Whether every copy had been there before."""

    @property
    def durability(self) -> str:
        """`mirrored` is two colos, `degraded` two nodes of one."""
        return "mirrored" if self.spans_colos else "degraded"

    @property
    def pending_mirrors(self) -> tuple[NodeId, ...]:
        """The homes whose copy another node holds for now."""
        return tuple(target.hint_for for target in self.targets if target.hint_for)


class Mirroring:
    """Writes files to the nodes of a placement, and to others where those fail."""

    def __init__(self, cluster: Cluster, nodes: Mapping[NodeId, NodeClient], fleet: Fleet) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet

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
        """Write one body to all targets; two copies are fsynced on return.

        A body that is short and here already is sent to each whole.

        `digest` gives the body's SHA-256 once it has ended, so that it is not computed for each.
        A target that fails is replaced: another node fetches the bytes from one that has them, so
        that the client never sends again.

        Raises:
            Unavailable: There are not two copies; nothing was acknowledged.
            IdempotencyKeyReused, PhotoGone: As their names say.
        """
        outcomes: list[Published | Exception]
        if isinstance(body, bytes):
            sha256 = digest()
            asks = [
                self._put_whole(target, file, mtime_seconds, body, sha256)
                for target in placed.targets
            ]
            outcomes = await run_all(asks, patience_seconds=PATIENCE_SECONDS)
        else:
            sends = [
                partial(self._put, target, file, mtime_seconds, bytes_total, digest)
                for target in placed.targets
            ]
            outcomes = await fan_out(body, sends, patience_seconds=PATIENCE_SECONDS)
        done: dict[Target, Published] = {}
        failed: list[Target] = []
        for target, outcome in zip(placed.targets, outcomes, strict=True):
            if isinstance(outcome, Published):
                done[target] = outcome
            else:
                self._note_failure(target, outcome)
                failed.append(target)
        if not done:
            raise Unavailable("no node took the photo; nothing was kept, try again")
        _require_mirror(done)
        source, published = next(iter(done.items()))
        write = partial(self._pull, file, source, published)
        targets = await self._replace(failed, list(done), write)
        return self._copies(
            targets,
            strict=strict,
            digest=published.digest,
            size_bytes=published.bytes,
            existed=not failed and all(p.existed for p in done.values()),
        )

    async def write_all(
        self,
        placed: Placement,
        write: Write,
        *,
        strict: bool = False,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> Copies:
        """Do a short write at all targets, and at others where those fail or lag too far behind.

        Raises:
            Unavailable: It is not on two nodes, or not on any that is at home in the volume.
            IdempotencyKeyReused, PhotoGone: As their names say.
        """

        async def ask(target: Target) -> Target:
            await write(target)
            return target

        asks = [ask(target) for target in placed.targets]
        outcomes = await run_all(asks, patience_seconds=patience_seconds)
        done: list[Target] = []
        failed: list[Target] = []
        for target, outcome in zip(placed.targets, outcomes, strict=True):
            if isinstance(outcome, Target):
                done.append(target)
            else:
                self._note_failure(target, outcome)
                failed.append(target)
        _require_mirror(done)
        return self._copies(await self._replace(failed, done, write), strict=strict)

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
        self, file: PhotoFile, source: Target, published: Published, target: Target
    ) -> None:
        pull = Pull(
            place=Place(file, target.hint_for),
            source=self._nodes[source.node].url,
            source_place=Place(file, source.hint_for),
            digest=published.digest,
        )
        await self._nodes[target.node].pull(pull, timeout_seconds=pull_seconds(published.bytes))

    async def _replace(
        self, failed: Sequence[Target], done: Sequence[Target], write: Write
    ) -> tuple[Target, ...]:
        """The targets that have it, once every failed one has had its stand-ins tried."""
        targets = list(done)
        for target in failed:
            mirror = target.hint_for or target.node
            tried = [t.node for t in (*targets, *failed)]
            for node in handoff_nodes(
                self._cluster, self._fleet.view(), mirror=mirror, taken=tried
            ):
                handoff = Target(node, hint_for=mirror)
                try:
                    await write(handoff)
                except NodeError as error:
                    self._note_failure(handoff, error)
                else:
                    targets.append(handoff)
                    break
        return tuple(targets)

    def _copies(
        self,
        targets: tuple[Target, ...],
        *,
        strict: bool,
        digest: str = "",
        size_bytes: int = 0,
        existed: bool = False,
    ) -> Copies:
        spans = spans_colos(self._cluster, targets)
        if len(targets) < COPIES_MIN:
            raise Unavailable("only one node took it, and one copy is not acknowledged; try again")
        if strict and not spans:
            raise Unavailable("only one colo took it, and Durability: strict was asked; try again")
        return Copies(
            targets=targets,
            spans_colos=spans,
            digest=digest,
            size_bytes=size_bytes,
            existed=existed,
        )

    def _note_failure(self, target: Target, error: Exception) -> None:
        """Remember who did not answer; what one mirror refuses for good, all do."""
        if isinstance(error, Gone):
            raise PhotoGone(str(error))
        if isinstance(error, Conflict):
            raise IdempotencyKeyReused(str(error))
        if isinstance(error, Unreachable | StalledError):
            self._fleet.mark_down(target.node, str(error))
        log.warning("%s did not take a write: %s", target.node, error)


def _require_mirror(targets: Iterable[Target]) -> None:
    """Raise unless a mirror of the volume has it: edges ask no other node, and would say 404."""
    if not any(target.hint_for is None for target in targets):
        raise Unavailable("no mirror of the volume took it; try again")


def pull_seconds(size_bytes: int) -> float:
    """How long a copy from node to node may take before it counts as stuck."""
    return PULL_SECONDS_MIN + size_bytes / PULL_BYTES_PER_SECOND_MIN
