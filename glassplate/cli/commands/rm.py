"""`glassplate rm`: deleting photos, for ever."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import exit_code_of_all, format_error
from glassplate.client import Client
from glassplate.errors import GlassplateError
from glassplate.urls.references import PhotoReference, parse_reference

if TYPE_CHECKING:
    from storagemaster.wire import Deletion


@click.command()
@click.argument("references", metavar="VOLUME/PHOTO[/VERSION]...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def rm(connection: Connection, references: tuple[str, ...], *, yes: bool, as_json: bool) -> None:
    r"""Delete photos, for ever.

    VOLUME/PHOTO deletes every version of a photo, VOLUME/PHOTO/VERSION only that one. Its URLs are
    dead from then on, and neither it nor they come back. Each node keeps the bytes in its trash for
    a while; from there they can only be brought back as a new photo, with new URLs.

    \b
    Examples:
      glassplate rm 3/01jd3x8m2c9qp4k7/3fz8qd
      glassplate rm 3/01jd3x8m2c9qp4k7 5/01jd3xa41m8c2v9e --yes
    """
    parsed = [parse_reference(reference) for reference in references]
    if not yes:
        _ask(parsed)
    outcomes = connection.run(lambda client: _delete_all(client, parsed))
    if as_json:
        _print_json(outcomes)
    errors: list[GlassplateError] = []
    for reference, outcome in outcomes:
        if isinstance(outcome, GlassplateError):
            errors.append(outcome)
            click.echo(
                f"glassplate: {reference} was not deleted: {format_error(outcome)}", err=True
            )
        elif not as_json:
            click.echo(f"{reference} is deleted{_what_is_left(outcome)}")
    sys.exit(exit_code_of_all(errors, is_some_done=len(errors) < len(outcomes)))


def _ask(references: list[PhotoReference]) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here whether to delete; say --yes")
    for reference in references:
        what = f"version {reference.version}" if reference.version else "every version"
        click.echo(f"  {reference.volume}/{reference.photo}: {what}", err=True)
    click.echo(
        "Its URLs die for ever. The bytes stay in each node's trash for a while, and can only be "
        "brought back as a new photo.",
        err=True,
    )
    click.confirm("Delete?", abort=True, err=True)


async def _delete_all(
    client: Client, references: list[PhotoReference]
) -> "list[tuple[str, Deletion | GlassplateError]]":
    outcomes: list[tuple[str, Deletion | GlassplateError]] = []
    for reference in references:
        try:
            outcomes.append((str(reference), await client.delete(str(reference))))
        except GlassplateError as error:
            outcomes.append((str(reference), error))
    return outcomes


def _what_is_left(deletion: "Deletion") -> str:
    """What has yet to learn of it, if anything has."""
    parts = []
    if deletion.pending_mirrors:
        parts.append(f"{', '.join(deletion.pending_mirrors)} will learn of it when back")
    if deletion.purge_pending:
        parts.append(f"not purged yet: {', '.join(deletion.purge_pending)}")
    return f" ({'; '.join(parts)})" if parts else ""


def _print_json(outcomes: "list[tuple[str, Deletion | GlassplateError]]") -> None:
    import json

    deleted: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for reference, outcome in outcomes:
        if isinstance(outcome, GlassplateError):
            status = outcome.problem.status if outcome.problem else None
            failed.append(
                {
                    "reference": reference,
                    "error": type(outcome).__name__,
                    "message": str(outcome),
                    "status": status,
                }
            )
        else:
            deleted.append({"reference": reference, **asdict(outcome)})
    click.echo(json.dumps({"deleted": deleted, "failed": failed}, indent=2))
