"""`glassplate revoke`: a new version of a photo, whose old URLs become invalid."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from glassplate.cli.connection import Connection
from glassplate.cli.options.confirmation import confirm, yes_option
from glassplate.cli.views.output import json_option, print_json
from glassplate.urls.references import parse_version_reference

if TYPE_CHECKING:
    from storagemaster.wire import Revocation


@click.command()
@click.argument("reference", metavar="VOLUME/PHOTO/VERSION")
@yes_option
@json_option
@click.pass_obj
def revoke(connection: Connection, reference: str, *, yes: bool, as_json: bool) -> None:
    r"""Invalidate all URLs of a photo.

    The photo gets a new version; its bytes are linked, not copied. The old URLs and the old
    reference become invalid, so store the new reference in place of the old one. It is safe to
    repeat: the same new reference is printed.

    \b
    Examples:
      glassplate revoke 3/01jd3x8m2c9qp4k7/3fz8qd
      glassplate revoke 3/01jd3x8m2c9qp4k7/3fz8qd --yes --json | jq -r .reference
    """
    photo_version = parse_version_reference(reference)
    if not yes:
        confirm(
            "Revoke 1 photo?",
            f"  {photo_version}",
            "Every URL of this version becomes invalid permanently, in every size, and so does "
            "the reference. The photo stays, with a new reference and new URLs.",
        )
    revocation = connection.run(lambda client: client.revoke(photo_version))
    if as_json:
        print_json({"reference": revocation.reference, **asdict(revocation)})
        return
    click.echo(f"{photo_version} is revoked; its new reference is {revocation.reference}")
    for letter, url in revocation.urls.items():
        click.echo(f"  {letter}  {url}")
    for line in _pending_lines(revocation):
        click.echo(line, err=True)


def _pending_lines(revocation: "Revocation") -> Iterator[str]:
    """Yield the purged edges, and the edges and mirrors that are still to be updated."""
    if revocation.purged:
        yield f"Purged edges: {', '.join(revocation.purged)}"
    if revocation.purge_pending:
        edges = ", ".join(revocation.purge_pending)
        yield f"Edges that may serve cached sizes until they are reachable: {edges}"
    if revocation.pending_mirrors:
        mirrors = ", ".join(revocation.pending_mirrors)
        yield f"Mirrors that receive the tombstone when they return: {mirrors}"
