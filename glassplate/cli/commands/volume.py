"""`glassplate volume`: moving the large sizes of a volume to nodes that keep them cheaply."""

import sys
from collections.abc import Sequence

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_NOT_DONE
from glassplate.cli.options.volume_arguments import VOLUME, Document
from glassplate.client import Client


@click.group()
def volume() -> None:
    """Move the large sizes of volumes to nodes over S3, and back."""


@volume.command()
@click.argument("number", metavar="VOLUME", type=VOLUME)
@click.option(
    "--to", "cold_nodes", metavar="NODE", multiple=True, required=True, help="May be given again."
)
@click.option("--apply", "is_applied", is_flag=True, help="Do what the plan says.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def offload(
    connection: Connection,
    number: int,
    *,
    cold_nodes: tuple[str, ...],
    is_applied: bool,
    as_json: bool,
) -> None:
    r"""Keep the originals and large sizes of a volume on some of its nodes alone.

    Each is copied to these nodes, read back from them, and only then removed from the others. Small
    sizes stay everywhere. All URLs stay as they are. Whatever breaks off is gone on with when this
    is done again. The exit status is 1 if anything is left.

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
    _end(document, as_json=as_json, is_applied=is_applied, is_left=bool(plan["files"]))


@volume.command()
@click.argument("number", metavar="VOLUME", type=VOLUME)
@click.option("--apply", "is_applied", is_flag=True, help="Do what the plan says.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def recall(connection: Connection, number: int, *, is_applied: bool, as_json: bool) -> None:
    r"""Keep all sizes of a volume on all of its nodes again.

    They are copied back; the nodes that kept them go on doing so. Whatever breaks off is gone on
    with by the storagemasters, or when this is done again.

    \b
    Examples:
      glassplate volume recall 42
      glassplate volume recall 42 --apply
    """
    from glassplate.cli.views.consoles import stdout_console
    from glassplate.cli.views.repair_tables import plan_view, repair_view

    plan = connection.run(lambda client: client.tiering.plan_recall(number))
    document: Document = {"volume": number, "plan": plan}
    if not as_json:
        for part in plan_view(plan):
            stdout_console().print(part)
    if is_applied:
        repaired = connection.run(lambda client: _recall(client, number, plan))
        document |= {"skipped": {}, "repair": repaired}
        if not as_json:
            for part in repair_view(repaired):
                stdout_console().print(part)
    is_left = not (document["repair"] if is_applied else plan)["equal"]
    _end(document, as_json=as_json, is_applied=is_applied, is_left=is_left)


async def _plan(client: Client, number: int, cold_nodes: Sequence[str]) -> Document:
    total: Document = {"files": 0, "bytes": 0, "copy_bytes": 0, "freed_bytes": 0, "skipped": {}}
    for shard in await client.tiering.shards(number, cold_nodes):
        found = await client.tiering.plan(number, shard, cold_nodes)
        total["skipped"] |= found.pop("skipped")
        for name, count in found.items():
            total[name] += count
    return total


async def _offload(client: Client, number: int, cold_nodes: Sequence[str]) -> Document:
    from glassplate.cli.views.shard_progress import shard_progress

    # So that the keepers have the small sizes, too: a lost disk is made anew of them alone.
    repaired = await client.repair(number)
    await client.tiering.begin(number, cold_nodes)
    done: Document = {"moved": 0, "moved_bytes": 0, "skipped": {}, "equal": repaired["equal"]}
    shards = await client.tiering.shards(number, cold_nodes)
    with shard_progress(len(shards)) as progress:
        for shard in shards:
            report = await client.tiering.move(number, shard)
            done["moved"] += report["moved"]
            done["moved_bytes"] += report["moved_bytes"]
            done["skipped"] |= report["skipped"]
            progress.end(report["moved_bytes"])
    return done


async def _recall(client: Client, number: int, plan: Document) -> Document:
    from glassplate.cli.views.repair_progress import RepairProgress

    await client.tiering.recall(number)
    with RepairProgress([plan]) as progress:
        repaired = await client.repair(number)
        progress.end(repaired)
        return repaired


def _print_plan(number: int, cold_nodes: Sequence[str], plan: Document) -> None:
    from rich import filesize

    size, copied, freed = (
        filesize.decimal(plan[name]) for name in ("bytes", "copy_bytes", "freed_bytes")
    )
    click.echo(
        f"Volume {number}: {plan['files']} files of {size} go to {', '.join(cold_nodes)}; "
        f"{copied} to copy, {freed} freed elsewhere"
    )
    _print_skipped(plan["skipped"])


def _print_done(number: int, done: Document) -> None:
    from rich import filesize

    size = filesize.decimal(done["moved_bytes"])
    click.echo(f"Volume {number}: {done['moved']} files of {size} moved.")
    _print_skipped(done["skipped"])


def _print_skipped(skipped: Document) -> None:
    for path, reason in skipped.items():
        click.echo(f"  {path} stays: {reason}")


def _end(document: Document, *, as_json: bool, is_applied: bool, is_left: bool) -> None:
    if as_json:
        import json

        click.echo(json.dumps(document, indent=2))
    elif is_left and not is_applied:
        click.echo("Nothing was changed; --apply does it.", err=True)
    if is_applied:
        is_left = bool(document["skipped"]) or ("repair" in document and is_left)
    sys.exit(EXIT_NOT_DONE if is_left else 0)
