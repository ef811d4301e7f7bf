"""Entries of the audit log as a table."""

from collections.abc import Sequence

from rich.table import Table

from glassplate.cli.views.output import Document, new_table


def entries_table(entries: Sequence[Document]) -> Table:
    """Return a table with one row per entry."""
    table = new_table("Time (UTC)", "Act", "Target", "Result", "Caller", "Application", "Request")
    for entry in entries:
        times = f" ({entry['count']} times)" if entry["count"] > 1 else ""
        table.add_row(
            entry["time"].replace("T", " ").removesuffix("Z"),
            entry["act"],
            entry["target"],
            entry["result"] + times,
            entry["caller"] or "unknown",
            entry["application"],
            entry["request"][:8],
        )
    return table
