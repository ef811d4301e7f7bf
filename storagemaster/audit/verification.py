"""Verification of the audit log: lines that were removed, changed, or moved, by name."""

import itertools
from dataclasses import dataclass, field
from typing import Literal

from storagemaster.audit.entries import Entry, Line, parse_line

Fault = Literal["removed", "changed", "reordered", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line that is not as it was written."""

    fault: Fault
    chain: str
    number: int
    """Number in the chain; 0 if unknown."""
    node: str
    """The node whose copy is meant; empty for all copies."""
    text: str


@dataclass(slots=True)
class _Version:
    """One text of a line, and the nodes that have it."""

    previous: str
    time: str
    nodes: set[str] = field(default_factory=set)


_Versions = dict[str, _Version]
"""The texts of one line by digest. There is only one unless a copy was changed."""


class Verification:
    """Comparison of the copies of all nodes with each other, and with the hashes of the chains.

    Feed it whole files, node by node, each node's in the order of their days.
    """

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.lines = 0
        """Number of different lines."""
        self._chains: dict[str, dict[int, _Versions]] = {}
        self._last: dict[tuple[str, str], int] = {}

    def add(self, node: str, place: str, line: bytes) -> Line | None:
        """Add a line of a node's copy; return it unless it is unreadable."""
        parsed = parse_line(line)
        if parsed is None:
            text = f"{place} on {node} cannot be read: a crash cut it off, or it was changed"
            self._find("unreadable", "", 0, node, text)
            return None
        entry = parsed.entry
        versions = self._chains.setdefault(entry.chain, {}).setdefault(entry.number, {})
        version = versions.setdefault(parsed.digest, _Version(entry.previous, entry.time))
        if node not in version.nodes:
            version.nodes.add(node)
            self._check_order(node, place, entry)
        return parsed

    def finish(self, *, has_all_nodes: bool, settled_before: str) -> list[Finding]:
        """Return all findings, after all lines were added.

        An entry that is younger than `settled_before` may not be on its second node yet.
        """
        for chain, lines in sorted(self._chains.items()):
            self.lines += len(lines)
            self._check_chain(chain, lines)
            if has_all_nodes:
                for number, versions in sorted(lines.items()):
                    self._check_copies(chain, number, versions, settled_before)
        return self.findings

    def _check_order(self, node: str, place: str, entry: Entry) -> None:
        last = self._last.get((node, entry.chain), 0)
        if entry.number < last:
            text = f"{place} on {node} is entry {entry.number} of {entry.chain}, after entry {last}"
            self._find("reordered", entry.chain, entry.number, node, text)
        self._last[node, entry.chain] = max(last, entry.number)

    def _check_chain(self, chain: str, lines: dict[int, _Versions]) -> None:
        numbers = sorted(lines)
        for before, number in itertools.pairwise(numbers):
            if number == before + 1:
                self._check_link(chain, before, lines[before], lines[number])
                continue
            missing = f"entry {before + 1}" + ("" if number == before + 2 else f" to {number - 1}")
            text = f"{missing} of {chain} is missing on all nodes"
            self._find("removed", chain, before + 1, "", text)
        last = lines[numbers[-1]]
        if len(last) > 1:
            nodes = sorted(node for version in last.values() for node in version.nodes)
            text = f"the copies of entry {numbers[-1]} of {chain} differ: {', '.join(nodes)}"
            self._find("changed", chain, numbers[-1], "", text)

    def _check_link(self, chain: str, number: int, of: _Versions, after: _Versions) -> None:
        """Report the texts of a line whose hash is not the one in the next line."""
        expected = {version.previous for version in after.values()}
        changed = [version for digest, version in of.items() if digest not in expected]
        for version in changed:
            for node in sorted(version.nodes):
                text = f"entry {number} of {chain} was changed on {node}: the next has another hash"
                self._find("changed", chain, number, node, text)

    def _check_copies(
        self, chain: str, number: int, versions: _Versions, settled_before: str
    ) -> None:
        nodes = {node for version in versions.values() for node in version.nodes}
        is_settled = all(version.time < settled_before for version in versions.values())
        if len(nodes) == 1 and is_settled:
            text = f"entry {number} of {chain} is on {min(nodes)} only: another copy is missing"
            self._find("removed", chain, number, "", text)

    def _find(self, fault: Fault, chain: str, number: int, node: str, text: str) -> None:
        self.findings.append(Finding(fault=fault, chain=chain, number=number, node=node, text=text))


def split_lines(data: bytes) -> tuple[list[bytes], bytes]:
    r"""Return the complete lines without their ends, and the bytes after them.

    >>> split_lines(b"a\nb\nc")
    ([b'a', b'b'], b'c')
    """
    *lines, rest = data.split(b"\n")
    return [line for line in lines if line], rest
