"""`glassplate restore`: filling a node whose disk was lost from whatever mirrors are left."""

import sys
from collections import Counter
from collections.abc import Sequence

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_NOT_DONE
from glassplate.cli.options.volume_arguments import Document, map_volumes
from glassplate.client import Client


@click.command()
@click.argument("node")
@click.option("--apply", "is_applied", is_flag=True, help="Do what the plan says.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def restore(connection: Connection, node: str, *, is_applied: bool, as_json: bool) -> None:
    r"""Fill NODE, whose disk was lost, from the other mirrors of its volumes.

    One other mirror is enough, a bucket as well as a disk. Mark the new disk and start the node
    first. Storagemasters fill it by themselves, too; this does it now, and tells. Of a chilled
    volume NODE gets what it is to keep. The exit status is 1 if anything is left.

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
    if is_applied:
        repairs = connection.run(lambda client: _fill(client, plans))
        lacking = connection.run(lambda client: _plans(client, node))
    else:
        lacking = plans
    left = sum(len(plan["steps"]) for plan in lacking)
    if as_json:
        import json

        document = {"node": node, "plans": plans, "repairs": repairs, "left": left}
        click.echo(json.dumps(document, indent=2))
    elif is_applied:
        copied = sum(repaired["copied_bytes"] for repaired in repairs)
        _print_end(node, copied_bytes=copied, left=left)
    elif left:
        click.echo("Nothing was changed; --apply does it.", err=True)
    sys.exit(EXIT_NOT_DONE if left else 0)


async def _plans(client: Client, node: str) -> list[Document]:
    """The plan of every volume that the node is a mirror of, as far as it is about the node."""
    status = await client.status()
    known = {each["id"]: each for each in status["nodes"]}
    if node not in known:
        raise click.ClickException(f"there is no node {node}; there are {', '.join(known)}")
    if not known[node]["up"]:
        raise click.ClickException(
            f"{node} is down ({known[node]['reason']}): mark its disk with `glassplate node init "
            f"{node}`, start it, and do this again"
        )
    volumes = [each["number"] for each in status["volumes"] if node in each["mirrors"]]
    plans = await map_volumes(volumes, client.diff)
    for plan in plans:
        plan["steps"] = [step for step in plan["steps"] if step["node"] == node]
        plan["copy_bytes"] = sum(step["bytes"] for step in plan["steps"])
    return plans


async def _fill(client: Client, plans: Sequence[Document]) -> list[Document]:
    from glassplate.cli.views.repair_progress import RepairProgress

    with RepairProgress(plans) as progress:

        async def one(volume: int) -> Document:
            repaired = await client.repair(volume)
            progress.end(repaired)
            return repaired

        return await map_volumes([plan["volume"] for plan in plans], one)


def _print_plan(plan: Document, node: str) -> None:
    from rich import filesize

    sources = Counter(step["source"] for step in plan["steps"] if step["source"])
    origin = ", ".join(f"{count} from {source}" for source, count in sorted(sources.items()))
    size = filesize.decimal(plan["copy_bytes"])
    lacks = f"{node} lacks {len(plan['steps'])} files of {size}" if plan["steps"] else "whole"
    click.echo(f"Volume {plan['volume']}: {lacks}{f' ({origin})' if origin else ''}")
    for unknown in plan["unreachable"]:
        click.echo(f"  {unknown} cannot be asked, so nothing is known of what it has")


def _print_end(node: str, *, copied_bytes: int, left: int) -> None:
    from rich import filesize

    state = f"{left} files are left" if left else "it has all that it is to have"
    click.echo(f"{node}: {filesize.decimal(copied_bytes)} copied; {state}.")
