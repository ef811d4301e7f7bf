"""Writer of one kind of entries: entries that arrive during an append share the next one."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from storagemaster.audit.copies import Durability, durability_of, next_nodes, ranked
from storagemaster.audit.entries import Act, Chain
from storagemaster.mirrors.mirrors import Mirrors
from storagenode.client import NodeClient
from storagenode.protocol.audit_log import AuditFile, EntryKind
from storagenode.protocol.routes import AUDIT_BYTES_MAX
from volumes.cluster import Colo, NodeId

log = logging.getLogger(__name__)

# Entries that are not mirrored are sent again. A longer outage loses the oldest from memory; the
# log of the process has them.
ENTRIES_MAX = 50_000
ABOUT_LOG = "audit"
"""The act of an entry about earlier ones that were not mirrored when their act was answered."""


@dataclass(slots=True)
class _Waiting:
    """An entry that is not mirrored yet."""

    line: bytes
    number: int
    answered: asyncio.Future[Durability] | None
    """The caller that waits for it, if one does."""
    nodes: set[NodeId] = field(default_factory=set)
    """The nodes that have it."""


class LogWriter:
    """The entries of one storagemaster's process, in one chain."""

    def __init__(
        self,
        kind: EntryKind,
        mirrors: Mirrors,
        *,
        chain: str,
        now_seconds: Callable[[], float],
    ) -> None:
        self._kind = kind
        self._mirrors = mirrors
        self._chain = Chain(chain)
        self._now_seconds = now_seconds
        self._waiting: deque[_Waiting] = deque()
        self._in_one_colo: deque[_Waiting] = deque()
        """Entries on two nodes, which get a third copy when another colo is back."""
        self._last = self._best()
        self._appends: asyncio.Task[None] | None = None

    @property
    def _colo_of(self) -> dict[NodeId, Colo]:
        nodes = self._mirrors.cluster.nodes.values()
        return {node.id: node.colo for node in nodes if node.bucket is None}

    def _best(self) -> Durability:
        colo_of = self._colo_of
        return durability_of(colo_of.keys(), colo_of)

    def unmirrored(self) -> tuple[int, Durability]:
        """Return the number of entries that could not be mirrored, and how durable they are."""
        if self._waiting and not self._last.is_kept:
            return len(self._waiting), self._last
        return len(self._in_one_colo), Durability.ONE_COLO

    async def record(self, act: Act) -> Durability:
        """Add an entry; return how durable it is once it is stored, or cannot be stored now.

        Cancelling one caller does not affect the others.
        """
        answered: asyncio.Future[Durability] = asyncio.get_running_loop().create_future()
        self.note(act, answered)
        self.flush()
        return await answered

    def note(self, act: Act, answered: asyncio.Future[Durability] | None = None) -> None:
        """Add an entry that the next append or flush stores."""
        line = self._chain.line(act, now_seconds=self._now_seconds())
        self._waiting.append(_Waiting(line, self._chain.number, answered))
        if len(self._waiting) > ENTRIES_MAX:
            lost = self._waiting.popleft()
            log.error("audit entry left out: %s", lost.line.decode().rstrip())
            _answer([lost], Durability.NOWHERE)

    def flush(self) -> None:
        """Begin to store all entries that wait."""
        if self._appends is None and (self._waiting or self._in_one_colo):
            self._appends = asyncio.create_task(self._append_all())
            self._appends.add_done_callback(self._end)

    async def close(self) -> None:
        """Store the entries that wait, once."""
        self.flush()
        if self._appends is not None:
            await asyncio.wait((self._appends,))

    async def _append_all(self) -> None:
        """Append until nothing waits, or an append fails."""
        while batch := self._next_batch():
            durability = await self._store(batch)
            self._last = durability
            if not durability.is_kept:
                self._answer_degraded(batch, durability)
                if not any(each.answered is not None for each in self._next_batch()):
                    # The others wait behind it in the chain, so that no file has them out of order.
                    self._answer_degraded([*self._waiting], Durability.NOWHERE)
                    return
                continue
            for _ in batch:
                self._waiting.popleft()
            if durability is self._best():
                _answer(batch, durability)
            else:
                self._in_one_colo.extend(batch)
                while len(self._in_one_colo) > ENTRIES_MAX:
                    self._in_one_colo.popleft()
                self._answer_degraded(batch, durability)

    def _next_batch(self) -> list[_Waiting]:
        if self._in_one_colo and self._has_other_colo():
            self._waiting.extendleft(reversed(self._in_one_colo))
            self._in_one_colo.clear()
        batch: list[_Waiting] = []
        size = 0
        for each in self._waiting:
            size += len(each.line)
            if batch and size > AUDIT_BYTES_MAX:
                break
            batch.append(each)
        return batch

    def _has_other_colo(self) -> bool:
        views = self._mirrors.fleet.view()
        up = {node for node in self._colo_of if views[node].writable}
        return durability_of(up, self._colo_of) is self._best()

    async def _store(self, batch: list[_Waiting]) -> Durability:
        """Append entries to two nodes in two colos, or to as many as there are."""
        day = datetime.fromtimestamp(self._now_seconds(), UTC).date().isoformat()
        file = AuditFile(day, self._kind)
        views = self._mirrors.fleet.view()
        order = [node for node in ranked(day, self._colo_of) if views[node].writable]
        stored = {node for node in self._colo_of if all(node in each.nodes for each in batch)}
        failed: set[NodeId] = set()

        async def append(id_: NodeId, node: NodeClient) -> None:
            missing = [each for each in batch if id_ not in each.nodes]
            await node.append_audit(file, b"".join(each.line for each in missing))
            for each in missing:
                each.nodes.add(id_)

        while nodes := next_nodes(order, self._colo_of, stored=stored, failed=failed):
            found = await self._mirrors.query(nodes, append)
            stored |= found.results.keys()
            failed |= found.unreachable.keys()
        return durability_of(stored, self._colo_of)

    def _answer_degraded(self, entries: list[_Waiting], durability: Durability) -> None:
        """Answer the callers, and add an entry that says how durable theirs are."""
        new = [each for each in entries if each.answered is not None]
        for each in new:
            log.warning("audit entry is %s: %s", durability.value, each.line.decode().rstrip())
        _answer(new, durability)
        if new:
            target = f"{self._chain.name} {new[0].number}-{new[-1].number}"
            result = durability.name.lower().replace("_", "-")
            self.note(Act(act=ABOUT_LOG, target=target, result=result))

    def _end(self, appends: asyncio.Task[None]) -> None:
        self._appends = None
        if appends.cancelled():
            return
        if (error := appends.exception()) is not None:
            log.error("the audit log failed", exc_info=error)
            _answer(self._waiting, Durability.NOWHERE)
        elif any(each.answered is not None for each in self._waiting):
            self.flush()


def _answer(entries: Iterable[_Waiting], durability: Durability) -> None:
    for each in entries:
        if each.answered is not None and not each.answered.done():
            each.answered.set_result(durability)
        each.answered = None
