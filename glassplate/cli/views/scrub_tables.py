"""Scrub progress of nodes as a table."""

from collections.abc import Sequence

from rich import filesize
from rich.table import Table

from glassplate.cli.views.output import Document, new_table

HOUR_SECONDS = 3600


def scrubs_table(nodes: Sequence[Document], *, now_seconds: float) -> Table:
    """Return a table with one row per node, for its current or last pass."""
    table = new_table("Colo", "Node", "Done", "Files", "Read", "Corrupt", "No digest", "Last pass")
    for node in nodes:
        table.add_row(
            node["colo"],
            node["node"],
            f"{percent_done(node)} %",
            str(node["files"]),
            filesize.decimal(node["bytes"]),
            str(len(node["corrupt"])),
            str(node["unverified"]),
            age(node["completed_seconds"], now_seconds=now_seconds),
        )
    return table


def percent_done(node: Document) -> int:
    """Return the percentage of scrubbed shards, or 100 for a node without shards."""
    total = node["shards_total"]
    return int(100 * node["shards"] / total) if total else 100


def age(completed_seconds: float, *, now_seconds: float) -> str:
    """Return the time since the last complete pass.

    >>> age(1000.0, now_seconds=8200.0)
    '2 h ago'
    """
    if not completed_seconds:
        return "none since start"
    seconds = max(0.0, now_seconds - completed_seconds)
    if seconds < HOUR_SECONDS:
        return f"{int(seconds / 60)} min ago"
    return f"{int(seconds / HOUR_SECONDS)} h ago"
