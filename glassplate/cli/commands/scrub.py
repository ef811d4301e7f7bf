"""`glassplate scrub`: scrub progress of the nodes, and the corrupt files that they found."""

import sys

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED
from glassplate.cli.views.output import Document, json_option, print_json, print_parts
from glassplate.client import Client

POLL_SECONDS = 0.5


@click.command()
@click.option("--node", show_default="all nodes", help="Node to show.")
@click.option("--wait", "is_waiting", is_flag=True, help="Start a pass, and wait for its end.")
@json_option
@click.pass_obj
def scrub(connection: Connection, node: str | None, *, is_waiting: bool, as_json: bool) -> None:
    r"""Show scrub progress of all nodes.

    Nodes reread all files continuously, within a budget. They quarantine corrupt files, which
    repair replaces. With --wait, each node completes its current pass and then a whole new one.
    The exit status is 1 if a file was corrupt, or a node is unreachable.

    \b
    Examples:
      glassplate scrub
      glassplate scrub --node east-1 --wait --json | jq '.nodes[].corrupt[]'
    """
    if is_waiting:
        document = connection.run(lambda client: _scrub_all(client, node))
    else:
        document = connection.run(lambda client: client.scrubs(node))
    if as_json:
        print_json(document)
    else:
        _print_all(document)
    is_well = not document["unreachable"] and not any(n["corrupt"] for n in document["nodes"])
    sys.exit(0 if is_well else EXIT_FAILED)


def is_done(now: Document, before: Document) -> bool:
    """Return True if a pass that started after `before` was taken has completed."""
    started, completed = float(now["started_seconds"]), float(now["completed_seconds"])
    return started != float(before["started_seconds"]) and completed >= started


async def _scrub_all(client: Client, node: str | None) -> Document:
    """Start a pass on each node. Return the progress when every reachable node has completed it."""
    import asyncio

    from glassplate.cli.views.progress import ScrubProgress

    before = {found["node"]: found for found in (await client.scrub(node))["nodes"]}
    with ScrubProgress() as progress:
        while True:
            document = await client.scrubs(node)
            waiting = [
                found
                for found in document["nodes"]
                if found["node"] in before and not is_done(found, before[found["node"]])
            ]
            progress.show(document["nodes"], waiting=[found["node"] for found in waiting])
            if not waiting:
                return document
            await asyncio.sleep(POLL_SECONDS)


def _print_all(document: Document) -> None:
    import time

    from glassplate.cli.views.scrub_tables import scrubs_table

    print_parts(scrubs_table(document["nodes"], now_seconds=time.time()))
    for found in document["nodes"]:
        for path in found["corrupt"]:
            click.echo(f"! {found['node']} quarantined a corrupt file: {path}")
    for node, reason in document["unreachable"].items():
        click.echo(f"! {node} is unreachable: {reason}", err=True)
