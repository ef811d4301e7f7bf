"""The state of a cluster as tables: colos and nodes, volumes in ranges, queue, edges."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import filesize
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glassplate.cli.views.health_warnings import compact_ranges

Document = Mapping[str, Any]


def status_view(document: Document, needs_attention: Sequence[str]) -> RenderableType:
    """All of it, with what needs attention last, where the eye ends up."""
    parts: list[RenderableType] = [
        Text(f"Cluster {document['cluster']}, as {document['master']} sees it", style="bold"),
        "",
        _nodes_table(document["nodes"]),
        "",
        _volumes_table(document["volumes"]),
        "",
        Text(f"Owed files: {document['pending_hints']}    Queue: {_queue(document['queues'])}"),
    ]
    if document["edges"]:
        parts += ["", _edges_table(document["edges"])]
    parts.append("")
    if needs_attention:
        parts += [Text(f"! {line}", style="red") for line in needs_attention]
    else:
        parts.append(Text("All is well.", style="green"))
    return Group(*parts)


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _nodes_table(nodes: Sequence[Document]) -> Table:
    table = _table("Colo", "Node", "State", "Free", "Of", "Owed files")
    shown_colo = None
    for node in sorted(nodes, key=lambda node: (node["colo"], node["id"])):
        table.add_row(
            node["colo"] if node["colo"] != shown_colo else "",
            node["id"],
            _node_state(node),
            _bytes(node["free_bytes"]),
            _bytes(node["total_bytes"]),
            "?" if node["pending_hints"] is None else str(node["pending_hints"]),
        )
        shown_colo = node["colo"]
    return table


def _node_state(node: Document) -> Text:
    if not node["up"]:
        return Text("down", style="red")
    if node["reason"] or not node["accepts_new_photos"]:
        return Text("up, takes no photos", style="yellow")
    return Text("up", style="green")


def _volumes_table(volumes: Sequence[Document]) -> Table:
    """Volumes that are in the same state on the same nodes share a row."""
    rows: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[int]] = {}
    for volume in volumes:
        alike = (_volume_state(volume), tuple(volume["mirrors"]), tuple(volume["mirrors_up"]))
        rows.setdefault(alike, []).append(volume["number"])
    table = _table("Volumes", "State", "Mirrors")
    for (state, mirrors, up), numbers in rows.items():
        cell = Text(", ").join(
            Text(node if node in up else f"{node} (down)", style="" if node in up else "red")
            for node in mirrors
        )
        table.add_row(compact_ranges(numbers), state, cell)
    return table


def _volume_state(volume: Document) -> str:
    """Whether it takes photos, and where the large files are if not on every mirror."""
    cold_nodes = ", ".join(volume["cold_nodes"])
    return f"{volume['state']}, offloaded to {cold_nodes}" if cold_nodes else str(volume["state"])


def _edges_table(edges: Sequence[Document]) -> Table:
    table = _table("Colo", "Edge", "Kind", "Answers")
    for edge in edges:
        answers = Text("yes") if edge["up"] else Text("no", style="red")
        table.add_row(edge["colo"], edge["id"], edge["kind"], answers)
    return table


def _queue(depths: Mapping[str, int] | None) -> str:
    if depths is None:
        return "cannot be asked"
    return ", ".join(f"{depth} {lane}" for lane, depth in depths.items())


def _bytes(number: int | None) -> str:
    return "?" if number is None else filesize.decimal(number)
