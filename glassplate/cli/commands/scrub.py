"""`glassplate scrub`: how far the nodes are with reading every byte again, and what they found."""

import sys
from collections.abc import Mapping
from typing import Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_NOT_DONE
from glassplate.client import Client

Document = Mapping[str, Any]

WAIT_SECONDS = 0.5


@click.command()
@click.option("--node", help="One node.  [default: all]")
@click.option("--wait", "is_waiting", is_flag=True, help="Begin a pass, and wait for its end.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def scrub(connection: Connection, node: str | None, *, is_waiting: bool, as_json: bool) -> None:
    r"""Show scrub progress of all nodes.

    Nodes read every byte again, all the time and within a budget, and set aside what is not what
    was written; reconcile then brings a good copy. With --wait a whole pass is made first, on each
    node after the one that it is making. The exit status is 1 if anything was corrupt, or a node
    could not be asked.

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
        import json

        click.echo(json.dumps(document, indent=2))
    else:
        _print_all(document)
    is_well = not document["unreachable"] and not any(n["corrupt"] for n in document["nodes"])
    sys.exit(0 if is_well else EXIT_NOT_DONE)


def is_done(now: Document, before: Document) -> bool:
    """Whether a pass has ended that began after a moment at which this was how far it was."""
    started, completed = float(now["started_seconds"]), float(now["completed_seconds"])
    return started != float(before["started_seconds"]) and completed >= started


async def _scrub_all(client: Client, node: str | None) -> Document:
    """Have a pass begin on each node; how far all are once each has made it, or cannot be asked."""
    import asyncio

    from glassplate.cli.views.scrub_tables import ScrubProgress

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
            await asyncio.sleep(WAIT_SECONDS)


def _print_all(document: Document) -> None:
    import time

    from glassplate.cli.views.consoles import stdout_console
    from glassplate.cli.views.scrub_tables import scrubs_table

    stdout_console().print(scrubs_table(document["nodes"], now_seconds=time.time()))
    for found in document["nodes"]:
        for path in found["corrupt"]:
            click.echo(f"! {found['node']} has set aside {path}, which was corrupt")
    for node, reason in document["unreachable"].items():
        click.echo(f"! {node} could not be asked: {reason}", err=True)
