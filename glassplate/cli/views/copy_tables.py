"""Copies of photos on nodes, and explanations, as tables."""

from collections.abc import Iterator, Sequence

from rich import filesize
from rich.console import RenderableType
from rich.table import Table

from glassplate.cli.views.output import Document, new_table
from glassplate.urls.explaining import describe_job

DIGEST_CHARACTERS_SHOWN = 12


def files_table(files: Sequence[Document]) -> Table:
    """Return a table with one row per file."""
    table = new_table("Colo", "Node", "Location", "Path")
    for file in files:
        table.add_row(file["colo"], file["node"], _location(file), file["path"])
    return table


def explanation_view(document: Document) -> Iterator[RenderableType]:
    """Yield the parts of an explanation, beginning with the response."""
    answer, permission = document["answer"], document["permission"]
    yield f"{document['target']}: {answer['status'] or 'unknown status'}: {answer['reason']}"
    if permission is not None:
        key = f" (key {permission['key']}, expires {permission['expires']})"
        yield f"Permission: {permission['verdict']}{key if permission['key'] else ''}"
    if "volume" not in document:
        return
    for edge in document["edges"]:
        yield f"{edge['edge']} responds {edge['status'] or 'nothing: ' + edge['reason']}"
    mirrors = ", ".join(
        f"{m['node']} ({_mirror_state(m)})" if _mirror_state(m) else m["node"]
        for m in document["mirrors"]
    )
    yield f"Volume {document['volume']} is {document['volume_state']}, on {mirrors}"
    for version in document["versions"]:
        yield f"Version {version['version']} is {_state(version)}"
    if document["copies"]:
        yield ""
        yield _copies_table(document["copies"])
    for node, reason in document["unreachable"].items():
        yield f"{node} is unreachable: {reason}"


def _mirror_state(mirror: Document) -> str:
    """Return what differs from a mirror that serves the photo, in words."""
    if not mirror["up"]:
        return "down"
    response = mirror["response"]
    if response is None or response["status"] == 200:
        return ""
    return f"responds {response['status'] or 'nothing: ' + response['reason']}"


def _state(version: Document) -> str:
    if version["state"] == "pending":
        return f"pending: {describe_job(version)}"
    job = f"; {describe_job(version)}" if version["job"] else ""
    reason = f": {version['reason']}" if version["reason"] else ""
    return f"{version['state']}{reason}{job}"


def _copies_table(copies: Sequence[Document]) -> Table:
    table = new_table("Colo", "Node", "Location", "Bytes", "SHA-256", "Path")
    for copy in copies:
        size = "?" if copy["bytes"] is None else filesize.decimal(copy["bytes"])
        digest = copy["sha256"][:DIGEST_CHARACTERS_SHOWN] or "unverified"
        table.add_row(copy["colo"], copy["node"], _location(copy), size, digest, copy["path"])
    return table


def _location(copy: Document) -> str:
    return f"hint for {copy['hint_for']}" if copy["hint_for"] else copy["location"]
