"""`glassplate list`: the references of all photos of volumes."""

import sys
from typing import TYPE_CHECKING

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED
from glassplate.cli.options.parameter_types import VOLUME
from glassplate.cli.options.volume_arguments import chosen_or_all
from glassplate.cli.views.output import json_option, print_json

if TYPE_CHECKING:
    from glassplate.client import Client


@click.command(name="list")
@click.option(
    "--volume",
    "volumes",
    type=VOLUME,
    multiple=True,
    show_default="all volumes",
    help="Volume to list. Repeatable.",
)
@json_option
@click.pass_obj
def list_(connection: Connection, volumes: tuple[int, ...], *, as_json: bool) -> None:
    r"""List the references of all photos.

    Every photo version that is stored and not deleted has a line, in the order of volumes, shards,
    and ids. The exit status is 1 if a mirror is unreachable, because photos may be missing then.

    \b
    Examples:
      glassplate list > references.txt
      glassplate list --volume 3 --json | jq -r .reference
    """

    async def list_all(client: "Client") -> dict[str, None]:
        unreachable: dict[str, None] = {}
        for volume in await chosen_or_all(client, volumes):
            async for page in client.pages(volume):
                for reference in page.photos:
                    if as_json:
                        print_json({"reference": reference}, is_line=True)
                    else:
                        click.echo(reference)
                unreachable |= dict.fromkeys(page.unreachable)
        return unreachable

    unreachable = connection.run(list_all)
    for node in unreachable:
        click.echo(f"glassplate: {node} is unreachable: photos may be missing", err=True)
    sys.exit(EXIT_FAILED if unreachable else 0)
