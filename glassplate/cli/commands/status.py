"""`glassplate status`: the state of the cluster."""

import sys
from typing import TYPE_CHECKING

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED, format_error
from glassplate.cli.views.health_warnings import list_warnings
from glassplate.cli.views.output import json_option, print_json, print_parts, stdout_console
from glassplate.client import Client
from glassplate.errors import ClusterError

if TYPE_CHECKING:
    from rich.console import RenderableType

WATCH_SECONDS = 2.0


@click.command()
@click.option("--watch", is_flag=True, help="Refresh every two seconds until Ctrl-C.")
@click.option("--check", is_flag=True, help="Exit with status 1 if there are warnings.")
@json_option
@click.pass_obj
def status(connection: Connection, *, watch: bool, check: bool, as_json: bool) -> None:
    r"""Show the state of the cluster.

    The output has colos and nodes, volumes, pending hints, queues, and edges, as reported by one
    storagemaster. Warnings come last, in red. With --watch, --json prints one line each time.

    \b
    Examples:
      glassplate status
      glassplate status --watch
      glassplate status --check --json > status.json || alert-operator
    """
    if watch and check:
        raise click.UsageError("--check and --watch exclude each other")
    if watch:
        _watch(connection, as_json=as_json)
        return
    document = connection.run(lambda client: client.status())
    warnings = list_warnings(document)
    if as_json:
        print_json({**document, "warnings": warnings})
    else:
        from glassplate.cli.views.status_tables import status_view

        print_parts(status_view(document, warnings))
    if check and warnings:
        sys.exit(EXIT_FAILED)


def _watch(connection: Connection, *, as_json: bool) -> None:
    import contextlib

    watch = _watch_json if as_json else _watch_tables
    with contextlib.suppress(KeyboardInterrupt):
        connection.run(watch)


async def _watch_json(client: Client) -> None:
    import asyncio

    while True:
        document = await client.status()
        print_json({**document, "warnings": list_warnings(document)}, is_line=True)
        await asyncio.sleep(WATCH_SECONDS)


async def _watch_tables(client: Client) -> None:
    import asyncio

    from rich.live import Live

    with Live(console=stdout_console(), auto_refresh=False) as live:
        while True:
            live.update(await _view(client), refresh=True)
            await asyncio.sleep(WATCH_SECONDS)


async def _view(client: Client) -> "RenderableType":
    """Return the state, or the error while the cluster is unavailable."""
    from rich.text import Text

    from glassplate.cli.views.status_tables import status_view

    try:
        document = await client.status()
    except ClusterError as error:
        return Text(f"! {format_error(error)}", style="red")
    return status_view(document, list_warnings(document))
