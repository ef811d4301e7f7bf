"""The state of a cluster as tables: colos and nodes, volumes, queues, and edges."""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta

from rich import filesize
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glassplate.cli.views.health_warnings import compact_ranges
from glassplate.cli.views.output import Document, new_table

DAYS_MAX = 9_999
"""The days to full of a disk that does not fill."""
DAYS_SHOWN_MAX = 365


def status_view(document: Document, warnings: Sequence[str]) -> RenderableType:
    """Return the whole state. Warnings come last, next to the prompt."""
    parts: list[RenderableType] = [
        Text(f"Cluster {document['cluster']}, as reported by {document['master']}", style="bold"),
        "",
        _nodes_table(document["nodes"]),
        "",
        *(Text(_describe_capacity(colo)) for colo in document["colos"]),
        "",
        _volumes_table(document["volumes"]),
        "",
        Text(f"Photos: {_describe_contents(document['volumes'])}"),
        Text(f"Pending hints: {document['pending_hints']}"),
        Text(f"Repair: {_describe_repair(document['repair'])}"),
        Text(f"Queues: {_describe_queues(document['queues'])}"),
    ]
    if not document["tls"]["internal"]:
        parts.append(Text("TLS between the machines: off"))
    if document["edges"]:
        parts += ["", _edges_table(document["edges"])]
    parts.append("")
    if warnings:
        parts += [Text(f"! {line}", style="red") for line in warnings]
    else:
        parts.append(Text("No warnings.", style="green"))
    return Group(*parts)


def _nodes_table(nodes: Sequence[Document]) -> Table:
    table = new_table("Colo", "Node", "State", "Stored", "Free", "Used", "Full in", "Hints")
    shown_colo = None
    for node in sorted(nodes, key=lambda node: (node["colo"], node["id"])):
        table.add_row(
            node["colo"] if node["colo"] != shown_colo else "",
            node["id"],
            _node_state(node),
            _bytes(node["bytes"]),
            _bytes(node["free_bytes"]),
            _share(node["fill_share"]),
            _full_in(node["days_to_full"]),
            "?" if node["pending_hints"] is None else str(node["pending_hints"]),
        )
        shown_colo = node["colo"]
    return table


def _node_state(node: Document) -> Text:
    if not node["up"]:
        return Text("down", style="red")
    if node["reason"] or not node["accepts_new_photos"]:
        return Text("up, accepts no photos", style="yellow")
    if not node["read_up"]:
        return Text("up, not readable", style="yellow")
    return Text("up", style="green")


def _volumes_table(volumes: Sequence[Document]) -> Table:
    """Return a table of volumes. Those with the same state and mirrors share a row."""
    rows: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[int]] = {}
    for volume in volumes:
        group = (_volume_state(volume), tuple(volume["mirrors"]), tuple(volume["mirrors_up"]))
        rows.setdefault(group, []).append(volume["number"])
    table = new_table("Volumes", "State", "Mirrors")
    for (state, mirrors, up), numbers in rows.items():
        cell = Text(", ").join(
            Text(node if node in up else f"{node} (down)", style="" if node in up else "red")
            for node in mirrors
        )
        table.add_row(compact_ranges(numbers), state, cell)
    return table


def _describe_contents(volumes: Sequence[Document]) -> str:
    """Return the photos and bytes of all volumes, each counted once."""
    photos, size = ([volume[key] for volume in volumes] for key in ("photos", "bytes"))
    if None in photos:
        return "not known until all volumes are compared"
    return f"{sum(photos):,}, {_bytes(sum(size))} on each mirror"


def _describe_capacity(colo: Document) -> str:
    """Return the used share of a colo, and when it is full."""
    used = f"Colo {colo['id']}: {_share(colo['fill_share'])} used"
    days = colo["days_to_full"]
    if days is None:
        return f"{used}; not enough history yet to say when it is full"
    if days >= DAYS_MAX:
        return f"{used}; it does not fill"
    return f"{used}; full in {_full_in(days)} at the rate of the last week"


def _full_in(days: float | None) -> str:
    if days is None:
        return "?"
    if days >= DAYS_MAX:
        return "never"
    return "> 1 year" if days > DAYS_SHOWN_MAX else f"{days:.0f} days"


def _share(share: float | None) -> str:
    return "?" if share is None else f"{share:.0%}"


def _describe_repair(repair: Document) -> str:
    """Return what the background repair has left, and the time that it takes at its own rate."""
    if not (repair["steps_left"] or repair["bytes_left"]):
        return "nothing to copy"
    volumes, seconds = repair["volumes_left"], repair["seconds_left"]
    left = f"{volumes} volume{'' if volumes == 1 else 's'} left, {_bytes(repair['bytes_left'])}"
    if seconds is None:
        return f"{left}, time not known yet"
    return f"{left}, about {timedelta(seconds=math.ceil(seconds))}"


def _volume_state(volume: Document) -> str:
    cold_nodes = ", ".join(volume["cold_nodes"])
    return f"{volume['state']}, offloaded to {cold_nodes}" if cold_nodes else str(volume["state"])


def _edges_table(edges: Sequence[Document]) -> Table:
    table = new_table("Colo", "Edge", "Kind", "State")
    for edge in edges:
        state = Text("up", style="green") if edge["up"] else Text("down", style="red")
        if edge["up"] and not edge["purge_up"]:
            state = Text("up, not purgeable", style="yellow")
        table.add_row(edge["colo"], edge["id"], edge["kind"], state)
    return table


def _describe_queues(depths: Mapping[str, int] | None) -> str:
    if depths is None:
        return "unavailable"
    return ", ".join(f"{depth} {queue}" for queue, depth in depths.items())


def _bytes(number: int | None) -> str:
    return "?" if number is None else filesize.decimal(number)
