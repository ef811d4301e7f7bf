"""Reader of the audit log: the entries of all nodes, once each, and faults of the copies."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from storagemaster.audit.entries import Entry, Line, parse_line
from storagemaster.audit.verification import Finding, Verification, split_lines
from storagemaster.mirrors.mirrors import OPERATOR_PATIENCE_SECONDS, Mirrors
from storagenode.client import NodeClient
from storagenode.protocol.audit_log import AuditFile, EntryKind
from storagenode.protocol.errors import NodeError
from volumes.cluster import NodeId

# An entry that is younger may be on its way to the second node.
SETTLED_SECONDS = 60.0
FINDINGS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """The entries to return."""

    since: str
    """The first day, in UTC."""
    until: str
    """The last day."""
    kind: EntryKind = "acts"
    act: str = ""
    caller: str = ""
    photo: str = ""
    """VOLUME/PHOTO, or VOLUME/PHOTO/VERSION for one version and for acts on the whole photo."""
    limit: int
    is_verifying: bool = False

    def has(self, file: AuditFile) -> bool:
        """Return True if a file can have the entries."""
        return file.kind == self.kind and self.since <= file.day <= self.until

    def matches(self, entry: Entry) -> bool:
        """Return True if an entry is one of them."""
        return (
            self.act in {"", entry.act}
            and self.caller in {"", entry.caller, entry.application}
            and (not self.photo or _is_of_photo(entry.target, self.photo))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Entries of the audit log, the latest first."""

    since: str
    until: str
    entries: list[Entry]
    is_complete: bool
    """False if older entries match as well."""
    unreachable: dict[str, str]
    """The reason of each node that did not send its copy: entries may be missing."""
    lines: int | None
    """Number of verified lines, or null without verification."""
    findings: list[Finding]
    """Lines that were removed, changed, or reordered."""


class LogReader:
    """Reader of the audit log on all nodes of a cluster."""

    def __init__(self, mirrors: Mirrors, *, now_seconds: Callable[[], float] = time.time) -> None:
        self._mirrors = mirrors
        self._now_seconds = now_seconds

    def today(self) -> str:
        """Return the present day, in UTC."""
        return self._utc(0)[:10]

    async def page(self, query: AuditQuery) -> AuditPage:
        """Return the latest entries that match, and the findings if the query verifies."""
        cluster = self._mirrors.cluster
        disks = [node.id for node in cluster.nodes.values() if node.bucket is None]
        listed = await self._mirrors.query(
            disks, lambda _, node: node.list_audit(), patience_seconds=OPERATOR_PATIENCE_SECONDS
        )
        collected = _Collected(query)
        unreachable = dict(listed.unreachable)
        for id_, files in listed.results.items():
            try:
                for file in filter(query.has, files):
                    await self._read(id_, self._mirrors.nodes[id_], file, collected)
            except NodeError as error:
                unreachable[id_] = str(error)
        findings: list[Finding] = []
        if query.is_verifying:
            findings = await asyncio.to_thread(
                collected.verification.finish,
                has_all_nodes=not unreachable,
                settled_before=self._utc(SETTLED_SECONDS),
            )
        entries = collected.latest()
        return AuditPage(
            since=query.since,
            until=query.until,
            entries=entries[: query.limit],
            is_complete=len(entries) <= query.limit and not collected.has_dropped,
            unreachable={str(node): reason for node, reason in unreachable.items()},
            lines=collected.verification.lines if query.is_verifying else None,
            findings=findings[:FINDINGS_MAX],
        )

    async def _read(
        self, id_: NodeId, node: NodeClient, file: AuditFile, collected: "_Collected"
    ) -> None:
        offset, number, rest = 0, 0, b""
        while data := await node.read_audit(file, offset=offset):
            offset += len(data)
            lines, rest = split_lines(rest + data)
            # A day of uploads takes seconds to parse.
            await asyncio.to_thread(collected.add, id_, file, number, lines)
            number += len(lines)

    def _utc(self, ago_seconds: float) -> str:
        then = datetime.fromtimestamp(self._now_seconds() - ago_seconds, UTC)
        return then.isoformat(timespec="milliseconds")


class _Collected:
    """The latest matching entries so far, and the state of the verification."""

    def __init__(self, query: AuditQuery) -> None:
        self.verification = Verification()
        self.has_dropped = False
        self._query = query
        self._found: dict[str, Entry] = {}

    def add(self, node: NodeId, file: AuditFile, number: int, lines: list[bytes]) -> None:
        """Add lines of a node's copy, which follow on the first `number` of its file."""
        for count, line in enumerate(lines, number + 1):
            parsed = self._parse(node, f"line {count} of {file.name}", line)
            if parsed is not None and self._query.matches(parsed.entry):
                self._found[parsed.digest] = parsed.entry
        if len(self._found) > 4 * self._query.limit + 1000:
            kept = _latest_first(self._found)[: self._query.limit]
            self._found, self.has_dropped = dict(kept), True

    def latest(self) -> list[Entry]:
        """Return the entries, the latest first."""
        return [entry for _, entry in _latest_first(self._found)]

    def _parse(self, node: NodeId, place: str, line: bytes) -> Line | None:
        if self._query.is_verifying:
            return self.verification.add(node, place, line)
        return parse_line(line)


def _latest_first(found: dict[str, Entry]) -> list[tuple[str, Entry]]:
    """Return entries by digest, the latest first."""
    return sorted(found.items(), key=lambda item: (item[1].time, item[1].number), reverse=True)


def _is_of_photo(target: str, photo: str) -> bool:
    """Return True if an act on the target concerns the photo, or the version.

    >>> _is_of_photo("3/01jd3x8m2c9qp4k7", "3/01jd3x8m2c9qp4k7/3fz8qd")
    True
    """
    return f"{target}/".startswith(f"{photo}/") or (
        target.count("/") == 1 and f"{photo}/".startswith(f"{target}/")
    )
