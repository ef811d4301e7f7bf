"""`glassplate status`: the state of the cluster."""

import math
import sys
from typing import TYPE_CHECKING

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED, format_error
from glassplate.cli.views.health_warnings import list_warnings
from glassplate.cli.views.output import (
    Document,
    escape_lines,
    json_option,
    print_json,
    print_parts,
    stdout_console,
)
from glassplate.client import Client
from glassplate.errors import ClusterError, Unreachable

if TYPE_CHECKING:
    from rich.console import RenderableType

WATCH_SECONDS = 2.0
WAIT_POLL_SECONDS = 0.5


@click.command()
@click.option("--watch", is_flag=True, help="Refresh every two seconds until Ctrl-C.")
@click.option("--check", is_flag=True, help="Exit with status 1 if there are warnings.")
@click.option("--wait", "is_waiting", is_flag=True, help="Wait until the cluster is well.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    show_default="none",
    help="Longest time for --wait.",
)
@json_option
@click.pass_obj
def status(
    connection: Connection,
    *,
    watch: bool,
    check: bool,
    is_waiting: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    r"""Show the state of the cluster.

    The output has colos and nodes, volumes, pending hints, queues, and edges, as reported by one
    storagemaster. Warnings come last, in red. With --watch, --json prints one line each time.

    A cluster without warnings is well: since the last fault, every volume was compared, and swept
    for photos without sizes. With --wait, the command waits for that, also while no storagemaster
    responds. It prints on stderr what it waits for. If --timeout ends first, the exit status is 1.

    \b
    Examples:
      glassplate status
      glassplate status --watch
      glassplate status --check --json > status.json || alert-operator
      glassplate colo start east && glassplate status --wait --timeout 300
    """
    if watch + check + is_waiting > 1:
        raise click.UsageError("--check, --wait, and --watch exclude each other")
    if timeout is not None and not is_waiting:
        raise click.UsageError("--timeout needs --wait")
    if watch:
        _watch(connection, as_json=as_json)
        return
    if is_waiting:
        document = connection.run(lambda client: wait_until_well(client, timeout))
    else:
        document = connection.run(lambda client: client.status())
    warnings = list_warnings(document)
    if as_json:
        print_json({**document, "warnings": warnings})
    else:
        from glassplate.cli.views.status_tables import status_view

        print_parts(status_view(document, warnings))
    if (check or is_waiting) and warnings:
        sys.exit(EXIT_FAILED)


async def wait_until_well(client: Client, timeout_seconds: float | None) -> Document:
    """Return the status when it has no warnings, or the last one at the timeout.

    Raises:
        ClusterError: No storagemaster responded at the timeout.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    deadline = math.inf if timeout_seconds is None else loop.time() + timeout_seconds
    shown: list[str] = []
    while True:
        try:
            document = await client.status()
        except Unreachable as error:
            if loop.time() >= deadline:
                raise
            lines = [str(error)]
        else:
            lines = list_warnings(document)
            if not lines or loop.time() >= deadline:
                return document
        for line in lines:
            if line not in shown:
                click.echo(f"waiting: {escape_lines(line)}", err=True)
        shown = lines
        await asyncio.sleep(WAIT_POLL_SECONDS)


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
