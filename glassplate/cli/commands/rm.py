"""`glassplate rm`: permanent deletion of photos."""

import sys
from collections.abc import Awaitable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import attempt_each, exit_code_of_all, format_error
from glassplate.cli.options.confirmation import confirm, yes_option
from glassplate.cli.views.output import error_document, json_option, print_json
from glassplate.errors import GlassplateError
from glassplate.urls.references import PhotoReference, parse_reference
from runtime.quantities import quantity

if TYPE_CHECKING:
    from glassplate.client import Client
    from storagemaster.wire import Deletion


@click.command()
@click.argument("references", metavar="VOLUME/PHOTO[/VERSION]...", nargs=-1, required=True)
@click.option("--now", is_flag=True, help="Remove the bytes from every trash, and print a proof.")
@yes_option
@json_option
@click.pass_obj
def rm(
    connection: Connection, references: tuple[str, ...], *, now: bool, yes: bool, as_json: bool
) -> None:
    r"""Delete photos permanently.

    VOLUME/PHOTO deletes every version of a photo, VOLUME/PHOTO/VERSION only that one. The URLs
    become invalid and are never valid again. Each node keeps the bytes in its trash for some
    days; `glassplate undelete` can restore them as a new photo, with new URLs.

    With --now, the bytes are removed at once from mirrors, trash, hints, quarantine, and all
    versions in buckets. Nothing can restore them. The output is a signed proof of what was removed
    and what could not be reached. Exit status 1 if something could not: run it again later.

    \b
    Examples:
      glassplate rm --now 3/01jd3x8m2c9qp4k7 --json > proof.json
      glassplate rm 3/01jd3x8m2c9qp4k7/3fz8qd
      glassplate rm 3/01jd3x8m2c9qp4k7 5/01jd3xa41m8c2v9e --yes
    """
    parsed = [parse_reference(reference) for reference in references]
    if not yes:
        _confirm(parsed, now=now)

    def remove(client: "Client") -> Awaitable[Any]:
        async def one(reference: str) -> "Deletion | dict[str, Any]":
            return await (client.erase(reference) if now else client.delete(reference))

        return attempt_each(parsed, one)

    outcomes = connection.run(remove)
    deleted, failed, is_complete = [], [], True
    errors: list[GlassplateError] = []
    for reference, outcome in outcomes:
        if isinstance(outcome, GlassplateError):
            errors.append(outcome)
            failed.append({"reference": reference, **error_document(outcome)})
            click.echo(
                f"glassplate: {reference} was not deleted: {format_error(outcome)}", err=True
            )
        elif isinstance(outcome, dict):
            deleted.append({"reference": reference, "proof": outcome})
            is_complete = is_complete and outcome["is_complete"]
            if not as_json:
                click.echo(describe_erasure(outcome))
        else:
            deleted.append({"reference": reference, **asdict(outcome)})
            if not as_json:
                click.echo(f"{reference} is deleted{_describe_pending(outcome)}")
    if as_json:
        print_json({"deleted": deleted, "failed": failed})
    code = exit_code_of_all(errors, is_some_done=len(errors) < len(outcomes))
    sys.exit(code or (0 if is_complete else 1))


def _confirm(references: list[PhotoReference], *, now: bool) -> None:
    confirm(
        f"Delete {quantity(len(references), 'photo')}?",
        *(
            f"  {reference.volume}/{reference.photo}: "
            + (f"version {reference.version}" if reference.version else "every version")
            for reference in references
        ),
        "The URLs become invalid permanently. The bytes are removed from every trash, and nothing "
        "can restore them."
        if now
        else "The URLs become invalid permanently. The bytes stay in the trash of each node for "
        "some days, and can only be restored as a new photo.",
    )


def describe_erasure(proof: Mapping[str, Any]) -> str:
    """Return the proof of an erasure as lines for people, its signature last."""
    lines = [f"{proof['photo']} was erased at {proof['erased_at']}:"]
    for node in proof["nodes"]:
        removed = ", ".join(f"{count} {area}" for area, count in sorted(node["removed"].items()))
        lines.append(f"  {node['node']}: {removed or 'had nothing'}")
    lines += [f"  {node}: NOT REACHED: {why}" for node, why in proof["unreachable"].items()]
    lines += [f"  {edge}: purged" for edge in proof["edges_purged"]]
    lines += [f"  {edge}: NOT PURGED YET" for edge in proof["edges_pending"]]
    return "\n".join((*lines, f"  signature: {proof['signature']}"))


def _describe_pending(deletion: "Deletion") -> str:
    """Return the mirrors and edges that the deletion has not reached, or an empty string."""
    parts = []
    if deletion.pending_mirrors:
        parts.append(f"pending mirrors: {', '.join(deletion.pending_mirrors)}")
    if deletion.purge_pending:
        parts.append(f"not purged yet: {', '.join(deletion.purge_pending)}")
    return f" ({'; '.join(parts)})" if parts else ""
