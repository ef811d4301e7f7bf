"""`glassplate restore`: refill of a node from the other mirrors after a disk loss."""

import sys
from collections import Counter

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED
from glassplate.cli.options.volume_arguments import (
    NOT_APPLIED,
    Document,
    apply_option,
    map_volumes,
    repair_all,
)
from glassplate.cli.views.output import json_option, print_json
from glassplate.client import Client
from runtime.quantities import quantity


@click.command()
@click.argument("node")
@apply_option
@json_option
@click.pass_obj
def restore(connection: Connection, node: str, *, is_applied: bool, as_json: bool) -> None:
    r"""Refill a node after disk loss.

    NODE gets its files from the other mirrors of its volumes. One other mirror is enough, a bucket
    as well as a disk. Mark the new disk and start the node first. If a volume is offloaded, NODE
    gets only the files that it must keep. Storagemasters also refill nodes by themselves. The exit
    status is 1 if any file is missing.

    \b
    Examples:
      glassplate node init east-1
      glassplate restore east-1
      glassplate restore east-1 --apply
    """
    plans = connection.run(lambda client: _plans(client, node))
    if not as_json:
        for plan in plans:
            _print_plan(plan, node)
    repairs: list[Document] = []
    remaining = plans
    if is_applied:
        repairs = connection.run(lambda client: repair_all(client, plans))
        remaining = connection.run(lambda client: _plans(client, node))
    left = sum(len(plan["steps"]) for plan in remaining)
    if as_json:
        print_json({"node": node, "plans": plans, "repairs": repairs, "left": left})
    elif is_applied:
        copied = sum(repaired["copied_bytes"] for repaired in repairs)
        _print_result(node, copied_bytes=copied, left=left)
    elif left:
        click.echo(NOT_APPLIED, err=True)
    sys.exit(EXIT_FAILED if left else 0)


async def _plans(client: Client, node: str) -> list[Document]:
    """Return the plan of every volume of the node, with only the steps on this node."""
    status = await client.status()
    known = {each["id"]: each for each in status["nodes"]}
    if node not in known:
        raise click.ClickException(f"unknown node {node!r}; known nodes: {', '.join(known)}")
    if not known[node]["up"]:
        raise click.ClickException(
            f"{node} is down: {known[node]['reason']}; mark its disk with `glassplate node init "
            f"{node}`, start it, and try again"
        )
    volumes = [each["number"] for each in status["volumes"] if node in each["mirrors"]]
    plans = await map_volumes(volumes, client.diff)
    for plan in plans:
        plan["steps"] = [step for step in plan["steps"] if step["node"] == node]
        plan["copy_bytes"] = sum(step["bytes"] for step in plan["steps"])
    return plans


def _print_plan(plan: Document, node: str) -> None:
    from rich import filesize

    sources = Counter(step["source"] for step in plan["steps"] if step["source"])
    origin = ", ".join(f"{count} from {source}" for source, count in sorted(sources.items()))
    size = filesize.decimal(plan["copy_bytes"])
    missing = quantity(len(plan["steps"]), "file")
    state = f"{node} lacks {missing} of {size}" if plan["steps"] else "complete"
    click.echo(f"Volume {plan['volume']}: {state}{f' ({origin})' if origin else ''}")
    for mirror in plan["unreachable"]:
        click.echo(f"  {mirror} is unreachable; its files are unknown")


def _print_result(node: str, *, copied_bytes: int, left: int) -> None:
    from rich import filesize

    missing = quantity(left, "file is", "files are")
    state = f"{missing} still missing" if left else "the node is complete"
    click.echo(f"{node}: {filesize.decimal(copied_bytes)} copied; {state}.")
