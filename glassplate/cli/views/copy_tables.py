"""Copies of photos on nodes, and what is explained of them, as tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import filesize
from rich.console import RenderableType
from rich.table import Table

from glassplate.urls.explaining import describe_job

Document = Mapping[str, Any]

DIGEST_CHARACTERS_SHOWN = 12


def found_table(found: Sequence[Document]) -> Table:
    """Where files are."""
    table = _table("Colo", "Node", "Where", "Path")
    for copy in found:
        table.add_row(copy["colo"], copy["node"], _where(copy), copy["path"])
    return table


def explanation_view(document: Document) -> Iterator[RenderableType]:
    """All of an explanation, the answer first."""
    answer, permission = document["answer"], document["permission"]
    yield f"{document['asked']}: {answer['status'] or 'unsure'}, because {answer['reason']}"
    if permission is not None:
        key = f" (key {permission['key']}, expires {permission['expires']})"
        yield f"Permission: {permission['verdict']}{key if permission['key'] else ''}"
    if "volume" not in document:
        return
    mirrors = ", ".join(
        m["node"] if m["up"] else f"{m['node']} (down)" for m in document["mirrors"]
    )
    yield f"Volume {document['volume']} is {document['volume_state']}, on {mirrors}"
    for version in document["versions"]:
        yield f"Version {version['version']} is {_state(version)}"
    if document["copies"]:
        yield ""
        yield _copies_table(document["copies"])
    for node, reason in document["unreachable"].items():
        yield f"{node} could not be asked: {reason}"


def _state(version: Document) -> str:
    if version["state"] == "pending":
        return f"pending: {describe_job(version)}"
    job = f"; {describe_job(version)}" if version["job"] else ""
    reason = f": {version['reason']}" if version["reason"] else ""
    return f"{version['state']}{reason}{job}"


def _copies_table(copies: Sequence[Document]) -> Table:
    table = _table("Colo", "Node", "Where", "Bytes", "SHA-256", "Path")
    for copy in copies:
        size = "?" if copy["bytes"] is None else filesize.decimal(copy["bytes"])
        digest = copy["sha256"][:DIGEST_CHARACTERS_SHOWN] or "none noted"
        table.add_row(copy["colo"], copy["node"], _where(copy), size, digest, copy["path"])
    return table


def _where(copy: Document) -> str:
    return f"hint for {copy['hint_for']}" if copy["hint_for"] else copy["location"]


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    return table
