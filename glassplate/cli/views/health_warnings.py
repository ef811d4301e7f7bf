"""Warnings about the state of a cluster, derived from its status document."""

from collections.abc import Iterable, Iterator, Sequence

from glassplate.cli.views.output import Document


def list_warnings(document: Document) -> list[str]:
    """Return one line per fault, or an empty list for a healthy cluster."""
    return [
        *_of_nodes(document["nodes"]),
        *_of_volumes(document["volumes"]),
        *_of_waits(document["waits"]),
        *_of_hints_and_edges(document),
        *document["alerts"],
    ]


def compact_ranges(numbers: Iterable[int]) -> str:
    """Return numbers as ranges.

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
            reason = node["reason"] or "no response"
            yield f"node {node['id']} in {node['colo']} is down: {reason}"
        elif not node["read_up"]:
            yield (
                f"node {node['id']} in {node['colo']} does not respond on its read port; "
                "edges read from other mirrors, and deletes reach it"
            )


def _of_volumes(volumes: Iterable[Document]) -> Iterator[str]:
    unreadable = [volume["number"] for volume in volumes if not volume["mirrors_readable"]]
    if unreadable:
        yield f"{_volumes(unreadable)}: no mirror can be read; only cached photos are served"


def _volumes(numbers: Sequence[int]) -> str:
    return f"volume{'' if len(numbers) == 1 else 's'} {compact_ranges(numbers)}"


def _of_waits(waits: Iterable[Document]) -> Iterator[str]:
    for wait in waits:
        verb = "waits" if len(wait["volumes"]) == 1 else "wait"
        yield f"{_volumes(wait['volumes'])} {verb} for {wait['for']}"


def _of_hints_and_edges(document: Document) -> Iterator[str]:
    if document["pending_hints"]:
        yield f"hints that wait for delivery: {document['pending_hints']}"
    for edge in document["edges"]:
        if not edge["up"] and not edge["purge_up"]:
            yield f"edge {edge['id']} is down; photos deleted now are purged when it is back"
        elif not edge["purge_up"]:
            yield (
                f"edge {edge['id']} does not respond on its purge port; it serves photos that are "
                "deleted now, until it is purged"
            )
        elif not edge["up"]:
            yield f"edge {edge['id']} does not respond to viewers; its purge port responds"
