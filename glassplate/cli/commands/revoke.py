"""`glassplate revoke`: a photo's old URLs made dead, and new ones given."""

import sys
from typing import TYPE_CHECKING

import click

from glassplate.cli.connection import Connection
from glassplate.urls.references import parse_version_reference

if TYPE_CHECKING:
    from storagemaster.wire import Revocation
    from volumes.photo_path import PhotoVersion


@click.command()
@click.argument("reference", metavar="VOLUME/PHOTO/VERSION")
@click.option("--yes", is_flag=True, help="Do not ask first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def revoke(connection: Connection, reference: str, *, yes: bool, as_json: bool) -> None:
    r"""Invalidate all URLs of a photo.

    The photo is kept, under a new version: its bytes are linked, not copied. Whatever has the old
    URLs or the old reference breaks, so the new reference has to be remembered in its place. Doing
    it again is harmless, and prints the same new reference.

    \b
    Examples:
      glassplate revoke 3/01jd3x8m2c9qp4k7/3fz8qd
      glassplate revoke 3/01jd3x8m2c9qp4k7/3fz8qd --yes --json | jq -r .reference
    """
    photo_version = parse_version_reference(reference)
    if not yes:
        _ask(photo_version)
    revocation = connection.run(lambda client: client.revoke(photo_version))
    if as_json:
        import json
        from dataclasses import asdict

        document = {"reference": revocation.reference, **asdict(revocation)}
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(f"{photo_version} is revoked; from now on it is {revocation.reference}")
    for letter, url in revocation.urls.items():
        click.echo(f"  {letter}  {url}")
    for line in _what_is_left(revocation):
        click.echo(line, err=True)


def _ask(photo_version: "PhotoVersion") -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here whether to revoke; say --yes")
    click.echo(f"  {photo_version}", err=True)
    click.echo(
        "Every URL of this version dies for ever, in every size, wherever it was written down, "
        "and so does the reference itself. The photo stays, under a new reference and new URLs.",
        err=True,
    )
    click.confirm("Revoke?", abort=True, err=True)


def _what_is_left(revocation: "Revocation") -> list[str]:
    """Which edges have forgotten the old URLs, and who has yet to learn of it."""
    lines = []
    if revocation.purged:
        lines.append(f"Forgotten by the edges: {', '.join(revocation.purged)}")
    if revocation.purge_pending:
        lines.append(
            f"{', '.join(revocation.purge_pending)} did not answer, and may serve cached sizes "
            "until they do."
        )
    if revocation.pending_mirrors:
        lines.append(f"{', '.join(revocation.pending_mirrors)} will learn of it when back.")
    return lines
