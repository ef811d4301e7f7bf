"""`glassplate diff`: whether the mirrors of volumes are equal."""

import sys

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_NOT_DONE
from glassplate.cli.options.volume_arguments import VOLUME, Document, map_volumes
from glassplate.client import Client


@click.command()
@click.argument("volumes", metavar="VOLUME...", nargs=-1, required=True, type=VOLUME)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def diff(connection: Connection, volumes: tuple[int, ...], *, as_json: bool) -> None:
    r"""Compare the mirrors of volumes.

    Nothing is changed: this lists the steps that would make the mirrors equal, and what only a
    person can settle. The exit status is 1 if any mirror lacks anything or cannot be asked.

    \b
    Examples:
      glassplate diff 3
      glassplate diff 1 2 3 --json | jq '.volumes[].copy_bytes'
    """
    plans = connection.run(lambda client: _plans(client, volumes))
    is_equal = all(plan["equal"] for plan in plans)
    if as_json:
        import json

        click.echo(json.dumps({"equal": is_equal, "volumes": plans}, indent=2))
    else:
        from glassplate.cli.views.consoles import stdout_console
        from glassplate.cli.views.repair_tables import plan_view

        for plan in plans:
            for part in plan_view(plan):
                stdout_console().print(part)
    sys.exit(0 if is_equal else EXIT_NOT_DONE)


async def _plans(client: Client, volumes: tuple[int, ...]) -> list[Document]:
    return await map_volumes(list(dict.fromkeys(volumes)), client.diff)
