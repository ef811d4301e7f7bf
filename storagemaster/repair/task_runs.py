"""Runs of repair tasks: the requests to the node of a task."""

import contextlib
from collections.abc import Iterator

from runtime.crashpoint import crashpoint
from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagemaster.mirrors.mirroring import pull_seconds
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.repair.lost_digests import digest_elsewhere
from storagemaster.repair.steps import (
    Copy,
    QuarantineInfo,
    Replace,
    ReplaceSizes,
    RestoreDigest,
    WriteTombstone,
)
from storagemaster.repair.tasks import STEP_BYTES_MIN, Task
from storagenode.protocol.errors import NodeError, SourceUnreachable, Unreachable
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import MOVE_DELAY_SECONDS_MAX, Pull
from volumes.photo_path import PhotoFile, volume_of

# Time that a failing disk needs to write one small file.
FILE_SECONDS = 0.1


class TaskRuns:
    """The requests of tasks to nodes. A copy to a joining node counts for its budget for moves."""

    def __init__(self, mirrors: Mirrors, tombstone_delivery: TombstoneDelivery) -> None:
        self._mirrors = mirrors
        self._nodes = mirrors.nodes
        self._fleet = mirrors.fleet
        self._tombstones = tombstone_delivery

    def is_move(self, task: Task) -> bool:
        """Return True if a task copies to a node that joins the volume."""
        volume = self._mirrors.cluster.volumes[volume_of(task.steps[0].file)]
        return task.link is not None and task.node in volume.joining

    async def run(self, task: Task, *, unthrottled: bool) -> list[NodeError | None]:
        """Run the steps of a task, and return the error of each, or None."""
        node = self._nodes[task.node]
        is_move = self.is_move(task) and not unthrottled
        if len(task.steps) > 1:
            steps = [step for step in task.steps if isinstance(step, Copy | Replace)]
            pulls = [self._pull(step, is_move=is_move) for step in steps]
            seconds = pull_seconds(task.size_bytes) + len(pulls) * FILE_SECONDS
            return await node.pull_many(pulls, timeout_seconds=seconds)
        (step,) = task.steps
        match step:
            case WriteTombstone():
                with _as_source():
                    seconds = await self._tombstones.seconds_of(step.source, step.file)
                await self._tombstones.write_tombstone(step.node, step.file, mtime_seconds=seconds)
            case RestoreDigest():
                digest = await self._lost_digest(step.file) if step.is_sole_copy else step.digest
                await node.restore_digest(Place(step.file), digest)
            case Copy() | Replace():
                seconds = pull_seconds(step.size_bytes) + MOVE_DELAY_SECONDS_MAX * is_move
                await node.pull(self._pull(step, is_move=is_move), timeout_seconds=seconds)
            case QuarantineInfo():
                await node.quarantine(Place(step.file), digest=step.digest)
            case ReplaceSizes():
                await self._replace_sizes(step)
        return [None]

    async def _lost_digest(self, file: PhotoFile) -> str:
        """Return the digest that other copies have, or "" if no other copy has one.

        Raises:
            SourceUnreachable: A node that may have a copy is down.
        """
        views = self._fleet.view()
        down = [node for node, view in views.items() if not view.up or view.status is None]
        if down:
            raise SourceUnreachable(
                f"cannot search for the digest: {', '.join(down)} may have a copy and is down"
            )
        mirrors = self._mirrors.cluster.volumes[volume_of(file)].mirrors
        mirror_clients = {node: self._nodes[node] for node in mirrors}
        holders = [
            self._nodes[node] for node, view in views.items() if view.status and view.status.hints
        ]
        with _as_source():
            return await digest_elsewhere(file, mirror_clients, holders)

    async def _replace_sizes(self, sizes: ReplaceSizes) -> None:
        """Replace the sizes only if the source has all, so that sizes of two workers never mix."""
        for step in sizes.steps:
            with _as_source():
                await self._nodes[sizes.source].restore_digest(Place(step.file), step.digest)
        crashpoint("sizes_verified")
        for step in sizes.steps:
            pull = self._pull(step)
            seconds = pull_seconds(step.size_bytes)
            await self._nodes[sizes.node].pull(pull, timeout_seconds=seconds)
            crashpoint("size_replaced")

    def _pull(self, step: Copy | Replace, *, is_move: bool = False) -> Pull:
        place = Place(step.file)
        return Pull(
            place=place,
            source_node=step.source,
            source=self._nodes[step.source].url,
            source_place=place,
            digest=step.digest,
            replaces=step.old_digest if isinstance(step, Replace) else "",
            move_bytes=max(step.size_bytes, STEP_BYTES_MIN) if is_move else 0,
        )


@contextlib.contextmanager
def _as_source() -> Iterator[None]:
    """Convert `Unreachable` to `SourceUnreachable`: the node of the step is not at fault."""
    try:
        yield
    except Unreachable as error:
        raise SourceUnreachable(str(error)) from error
