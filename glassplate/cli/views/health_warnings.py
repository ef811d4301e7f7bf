"""What in the state of a cluster needs a person's attention: a pure reading of the document."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]


def list_warnings(document: Document) -> list[str]:
    """One line for each thing that is wrong; none when all is well."""
    return [
        *_of_nodes(document["nodes"]),
        *_of_volumes(document["volumes"]),
        *_of_owed_work(document),
        *document["alerts"],
    ]


def compact_ranges(numbers: Iterable[int]) -> str:
    """Numbers as a person writes them.

    >>> compact_ranges([1, 2, 3, 7])
    '1-3, 7'
    """
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(f"{a}-{b}" if a != b else str(a) for a, b in ranges)


def _of_nodes(nodes: Iterable[Document]) -> Iterator[str]:
    for node in nodes:
        if not node["up"]:
            reason = node["reason"] or "no answer"
            yield f"node {node['id']} in {node['colo']} is down: {reason}"


def _of_volumes(volumes: Iterable[Document]) -> Iterator[str]:
    lost: list[int] = []
    thin: list[int] = []
    for volume in volumes:
        if not volume["mirrors_up"]:
            lost.append(volume["number"])
        elif len(volume["mirrors_up"]) < len(volume["mirrors"]):
            thin.append(volume["number"])
    if lost:
        yield f"volumes {compact_ranges(lost)}: no mirror is up, so their photos cannot be read"
    if thin:
        yield f"volumes {compact_ranges(thin)}: not every mirror is up"


def _of_owed_work(document: Document) -> Iterator[str]:
    if document["pending_hints"]:
        yield f"files held for nodes that have yet to take them: {document['pending_hints']}"
    for edge in document["edges"]:
        if not edge["up"]:
            yield f"edge {edge['id']} does not answer; photos that are deleted now are purged later"
