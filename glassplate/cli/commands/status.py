"""`glassplate status`: the state of the cluster."""

import sys
from typing import TYPE_CHECKING, Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_NOT_DONE, format_error
from glassplate.cli.views.health_warnings import list_warnings
from glassplate.client import Client
from glassplate.errors import ClusterError

if TYPE_CHECKING:
    from rich.console import RenderableType

WATCH_SECONDS = 2.0


@click.command()
@click.option("--watch", is_flag=True, help="Show it anew every two seconds, until Ctrl-C.")
@click.option("--check", is_flag=True, help="Exit with status 1 when something is wrong.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with --watch in lines.")
@click.pass_obj
def status(connection: Connection, *, watch: bool, check: bool, as_json: bool) -> None:
    r"""Show the state of the cluster.

    Colos and nodes, volumes, owed work, queue and edges, as one storagemaster sees them. What needs
    attention stands last, in red; the exit status is 0 all the same, unless --check is given.

    \b
    Examples:
      glassplate status
      glassplate status --watch
      glassplate status --check --json || page-somebody
    """
    if watch and check:
        raise click.UsageError("--check looks once, --watch for ever; give one of them")
    if watch:
        _watch(connection, as_json=as_json)
        return
    document = connection.run(lambda client: client.status())
    wrong = list_warnings(document)
    if as_json:
        _print_json({**document, "warnings": wrong}, indent=2)
    else:
        from glassplate.cli.views.consoles import stdout_console
        from glassplate.cli.views.status_tables import status_view

        stdout_console().print(status_view(document, wrong))
    if check and wrong:
        sys.exit(EXIT_NOT_DONE)


def _watch(connection: Connection, *, as_json: bool) -> None:
    import contextlib

    watch = _watch_json if as_json else _watch_tables
    # Ctrl-C is how this ends.
    with contextlib.suppress(KeyboardInterrupt):
        connection.run(watch)


async def _watch_json(client: Client) -> None:
    import asyncio

    while True:
        document = await client.status()
        _print_json({**document, "warnings": list_warnings(document)})
        await asyncio.sleep(WATCH_SECONDS)


async def _watch_tables(client: Client) -> None:
    import asyncio

    from rich.live import Live

    from glassplate.cli.views.consoles import stdout_console

    with Live(console=stdout_console(), auto_refresh=False) as live:
        while True:
            live.update(await _view(client), refresh=True)
            await asyncio.sleep(WATCH_SECONDS)


async def _view(client: Client) -> "RenderableType":
    """The state, or why there is none now: whoever watches waits for it to come back."""
    from rich.text import Text

    from glassplate.cli.views.status_tables import status_view

    try:
        document = await client.status()
    except ClusterError as error:
        return Text(f"! {format_error(error)}", style="red")
    return status_view(document, list_warnings(document))


def _print_json(document: dict[str, Any], indent: int | None = None) -> None:
    import json

    click.echo(json.dumps(document, indent=indent))
