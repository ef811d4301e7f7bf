"""`glassplate undelete`: deleted photos brought back, as new photos."""

import sys
from typing import TYPE_CHECKING

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import exit_code_of_all, format_error
from glassplate.client import Client
from glassplate.errors import GlassplateError
from glassplate.urls.references import PhotoReference, parse_reference

if TYPE_CHECKING:
    from storagemaster.wire import Receipt

    Outcome = tuple[PhotoReference, Receipt | GlassplateError]


@click.command()
@click.argument("references", metavar="VOLUME/PHOTO...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def undelete(connection: Connection, references: tuple[str, ...], *, as_json: bool) -> None:
    r"""Bring deleted photos back.

    The original is taken from the trash of whichever mirror still has it, checked, and kept as a
    new photo, with a new reference and new URLs: the old ones stay dead for ever. Doing it again is
    harmless, and gives the same new photo. The trash forgets after `limits.trash_days`.

    \b
    Examples:
      glassplate undelete 3/01jd3x8m2c9qp4k7
      glassplate undelete 3/01jd3x8m2c9qp4k7 --json | jq -r '.undeleted[].reference'
    """
    parsed = [parse_reference(reference) for reference in references]
    outcomes = connection.run(lambda client: _undelete_all(client, parsed))
    errors: list[GlassplateError] = []
    for reference, outcome in outcomes:
        if isinstance(outcome, GlassplateError):
            errors.append(outcome)
            click.echo(
                f"glassplate: {reference} was not undeleted: {format_error(outcome)}", err=True
            )
        elif not as_json:
            click.echo(f"{reference} is back as {outcome.reference} ({outcome.durability})")
            for letter, url in outcome.urls.items():
                click.echo(f"  {letter}  {url}")
    if as_json:
        _print_json(outcomes)
    sys.exit(exit_code_of_all(errors, is_some_done=len(errors) < len(outcomes)))


async def _undelete_all(client: Client, references: list[PhotoReference]) -> "list[Outcome]":
    outcomes: list[Outcome] = []
    for reference in references:
        try:
            outcomes.append((reference, await client.undelete(str(reference))))
        except GlassplateError as error:
            outcomes.append((reference, error))
    return outcomes


def _print_json(outcomes: "list[Outcome]") -> None:
    import json
    from dataclasses import asdict

    undeleted, failed = [], []
    for reference, outcome in outcomes:
        if isinstance(outcome, GlassplateError):
            words = {"error": type(outcome).__name__, "message": str(outcome)}
            status = outcome.problem.status if outcome.problem else None
            failed.append({"deleted": str(reference), **words, "status": status})
        else:
            new = {"deleted": str(reference), "reference": outcome.reference, **asdict(outcome)}
            undeleted.append(new)
    click.echo(json.dumps({"undeleted": undeleted, "failed": failed}, indent=2))
