"""`glassplate volume`: tiering of the large sizes of a volume."""

import sys
from collections.abc import Sequence

import click

from glassplate.cli.commands import volume_changes
from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED
from glassplate.cli.options.parameter_types import VOLUME
from glassplate.cli.options.volume_arguments import (
    NOT_APPLIED,
    Document,
    apply_option,
    repair_all,
)
from glassplate.cli.views.output import json_option, print_json, print_parts
from glassplate.client import Client
from runtime.quantities import quantity


@click.group()
def volume() -> None:
    r"""Open, close, move, and offload volumes.

    \b
    Examples:
      glassplate volume open 321-384 --apply
      glassplate volume balance
      glassplate volume offload 42 --to cold-1
      glassplate volume recall 42 --apply
    """


for _command in (
    volume_changes.open_,
    volume_changes.close,
    volume_changes.move,
    volume_changes.balance,
    volume_changes.cancel,
):
    volume.add_command(_command)


@volume.command()
@click.argument("number", metavar="VOLUME", type=VOLUME)
@click.option(
    "--to",
    "cold_nodes",
    metavar="NODE",
    multiple=True,
    required=True,
    help="Cold node, a mirror of the volume. Repeatable.",
)
@apply_option
@json_option
@click.pass_obj
def offload(
    connection: Connection,
    number: int,
    *,
    cold_nodes: tuple[str, ...],
    is_applied: bool,
    as_json: bool,
) -> None:
    r"""Move originals and large sizes to cold nodes.

    Each file is copied to the cold nodes, read back, and only then removed from the other
    mirrors. Small sizes stay on every mirror. URLs do not change. Run the command again to
    continue an interrupted move. The exit status is 1 if any file is left.

    \b
    Examples:
      glassplate volume offload 42 --to cold-1
      glassplate volume offload 42 --to cold-1 --apply
      glassplate volume offload 42 --to cold-1 --apply --json | jq .skipped
    """
    plan = connection.run(lambda client: _plan(client, number, cold_nodes))
    document: Document = {"volume": number, "cold_nodes": list(cold_nodes), "plan": plan}
    if not as_json:
        _print_plan(number, cold_nodes, plan)
    if is_applied:
        done = connection.run(lambda client: _offload(client, number, cold_nodes))
        document |= done
        if not as_json:
            _print_done(number, done)
    is_left = bool(document["skipped"] if is_applied else plan["files"])
    _end(document, as_json=as_json, is_applied=is_applied, is_left=is_left)


@volume.command()
@click.argument("number", metavar="VOLUME", type=VOLUME)
@apply_option
@json_option
@click.pass_obj
def recall(connection: Connection, number: int, *, is_applied: bool, as_json: bool) -> None:
    r"""Copy originals and large sizes back to all mirrors.

    The cold nodes keep their copies. Storagemasters continue an interrupted recall, and so does
    this command.

    \b
    Examples:
      glassplate volume recall 42
      glassplate volume recall 42 --apply
    """
    from glassplate.cli.views.repair_tables import plan_view, repair_view

    plan = connection.run(lambda client: client.tiering.plan_recall(number))
    document: Document = {"volume": number, "plan": plan}
    if not as_json:
        print_parts(*plan_view(plan))
    repaired = plan
    if is_applied:
        repaired = connection.run(lambda client: _recall(client, number, plan))
        document |= {"skipped": {}, "repair": repaired}
        if not as_json:
            print_parts(*repair_view(repaired))
    _end(document, as_json=as_json, is_applied=is_applied, is_left=not repaired["equal"])


async def _plan(client: Client, number: int, cold_nodes: Sequence[str]) -> Document:
    total: Document = {"files": 0, "bytes": 0, "copy_bytes": 0, "freed_bytes": 0, "skipped": {}}
    for shard in await client.tiering.shards(number, cold_nodes):
        found = await client.tiering.plan(number, shard, cold_nodes)
        total["skipped"] |= found.pop("skipped")
        for name, count in found.items():
            total[name] += count
    return total


async def _offload(client: Client, number: int, cold_nodes: Sequence[str]) -> Document:
    from glassplate.cli.views.progress import CountProgress

    # Repair first, so that the cold nodes have the small sizes: they can refill a lost disk alone.
    repaired = await client.repair(number)
    await client.tiering.begin(number, cold_nodes)
    done: Document = {"moved": 0, "moved_bytes": 0, "skipped": {}, "equal": repaired["equal"]}
    shards = await client.tiering.shards(number, cold_nodes)
    with CountProgress("shards", len(shards)) as progress:
        for shard in shards:
            report = await client.tiering.move(number, shard)
            done["moved"] += report["moved"]
            done["moved_bytes"] += report["moved_bytes"]
            done["skipped"] |= report["skipped"]
            progress.end(report["moved_bytes"])
    return done


async def _recall(client: Client, number: int, plan: Document) -> Document:
    await client.tiering.recall(number)
    (repaired,) = await repair_all(client, [plan])
    return repaired


def _print_plan(number: int, cold_nodes: Sequence[str], plan: Document) -> None:
    from rich import filesize

    size, copied, freed = (
        filesize.decimal(plan[name]) for name in ("bytes", "copy_bytes", "freed_bytes")
    )
    files = quantity(plan["files"], "file")
    click.echo(
        f"Volume {number}: {files} of {size} to move to {', '.join(cold_nodes)}; "
        f"{copied} to copy, {freed} to free on other mirrors"
    )
    _print_skipped(plan["skipped"])


def _print_done(number: int, done: Document) -> None:
    from rich import filesize

    size = filesize.decimal(done["moved_bytes"])
    click.echo(f"Volume {number}: {quantity(done['moved'], 'file')} of {size} moved.")
    _print_skipped(done["skipped"])


def _print_skipped(skipped: Document) -> None:
    for path, reason in skipped.items():
        click.echo(f"  {path} was skipped: {reason}")


def _end(document: Document, *, as_json: bool, is_applied: bool, is_left: bool) -> None:
    if as_json:
        print_json(document)
    elif is_left and not is_applied:
        click.echo(NOT_APPLIED, err=True)
    sys.exit(EXIT_FAILED if is_left else 0)
