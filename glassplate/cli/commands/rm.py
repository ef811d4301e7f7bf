"""`glassplate rm`: permanent deletion of photos."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import attempt_each, exit_code_of_all, format_error
from glassplate.cli.options.confirmation import confirm, yes_option
from glassplate.cli.views.output import error_document, json_option, print_json
from glassplate.errors import GlassplateError
from glassplate.urls.references import PhotoReference, parse_reference

if TYPE_CHECKING:
    from storagemaster.wire import Deletion


@click.command()
@click.argument("references", metavar="VOLUME/PHOTO[/VERSION]...", nargs=-1, required=True)
@yes_option
@json_option
@click.pass_obj
def rm(connection: Connection, references: tuple[str, ...], *, yes: bool, as_json: bool) -> None:
    r"""Delete photos permanently.

    VOLUME/PHOTO deletes every version of a photo, VOLUME/PHOTO/VERSION only that one. The URLs
    become invalid and are never valid again. Each node keeps the bytes in its trash for some
    days; `glassplate undelete` can restore them as a new photo, with new URLs.

    \b
    Examples:
      glassplate rm 3/01jd3x8m2c9qp4k7/3fz8qd
      glassplate rm 3/01jd3x8m2c9qp4k7 5/01jd3xa41m8c2v9e --yes
    """
    parsed = [parse_reference(reference) for reference in references]
    if not yes:
        _confirm(parsed)
    outcomes = connection.run(lambda client: attempt_each(parsed, client.delete))
    deleted, failed = [], []
    errors: list[GlassplateError] = []
    for reference, outcome in outcomes:
        if isinstance(outcome, GlassplateError):
            errors.append(outcome)
            failed.append({"reference": reference, **error_document(outcome)})
            click.echo(
                f"glassplate: {reference} was not deleted: {format_error(outcome)}", err=True
            )
        else:
            deleted.append({"reference": reference, **asdict(outcome)})
            if not as_json:
                click.echo(f"{reference} is deleted{_describe_pending(outcome)}")
    if as_json:
        print_json({"deleted": deleted, "failed": failed})
    sys.exit(exit_code_of_all(errors, is_some_done=len(errors) < len(outcomes)))


def _confirm(references: list[PhotoReference]) -> None:
    count = f"{len(references)} photos" if len(references) > 1 else "1 photo"
    confirm(
        f"Delete {count}?",
        *(
            f"  {reference.volume}/{reference.photo}: "
            + (f"version {reference.version}" if reference.version else "every version")
            for reference in references
        ),
        "The URLs become invalid permanently. The bytes stay in the trash of each node for some "
        "days, and can only be restored as a new photo.",
    )


def _describe_pending(deletion: "Deletion") -> str:
    """Return the mirrors and edges that the deletion has not reached, or an empty string."""
    parts = []
    if deletion.pending_mirrors:
        parts.append(f"pending mirrors: {', '.join(deletion.pending_mirrors)}")
    if deletion.purge_pending:
        parts.append(f"not purged yet: {', '.join(deletion.purge_pending)}")
    return f" ({'; '.join(parts)})" if parts else ""
