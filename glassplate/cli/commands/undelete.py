"""`glassplate undelete`: deleted photos restored as new photos."""

import sys
from dataclasses import asdict

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import attempt_each, exit_code_of_all, format_error
from glassplate.cli.views.output import error_document, json_option, print_json
from glassplate.errors import GlassplateError
from glassplate.urls.references import parse_reference


@click.command()
@click.argument("references", metavar="VOLUME/PHOTO...", nargs=-1, required=True)
@json_option
@click.pass_obj
def undelete(connection: Connection, references: tuple[str, ...], *, as_json: bool) -> None:
    r"""Restore deleted photos as new photos.

    The original is read from the trash of a mirror, verified, and stored with a new reference and
    new URLs. The old URLs stay invalid. It is safe to repeat: the result is the same new photo.
    Nodes empty their trash after `limits.trash_days`.

    \b
    Examples:
      glassplate undelete 3/01jd3x8m2c9qp4k7
      glassplate undelete 3/01jd3x8m2c9qp4k7 --json | jq '.undeleted[].reference'
    """
    parsed = [parse_reference(reference) for reference in references]
    outcomes = connection.run(lambda client: attempt_each(parsed, client.undelete))
    undeleted, failed = [], []
    errors: list[GlassplateError] = []
    for reference, outcome in outcomes:
        requested = {"deleted": reference}
        if isinstance(outcome, GlassplateError):
            errors.append(outcome)
            failed.append(requested | error_document(outcome))
            click.echo(
                f"glassplate: {reference} was not restored: {format_error(outcome)}", err=True
            )
        else:
            undeleted.append(requested | {"reference": outcome.reference, **asdict(outcome)})
            if not as_json:
                click.echo(f"{reference} is restored as {outcome.reference} ({outcome.durability})")
                for letter, url in outcome.urls.items():
                    click.echo(f"  {letter}  {url}")
    if as_json:
        print_json({"undeleted": undeleted, "failed": failed})
    sys.exit(exit_code_of_all(errors, is_some_done=len(errors) < len(outcomes)))
