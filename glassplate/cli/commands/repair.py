"""`glassplate repair`: making the mirrors of volumes equal, by a plan that is shown first."""

import sys
from collections.abc import Sequence

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_NOT_DONE
from glassplate.cli.options.volume_arguments import VOLUME, Document, chosen_or_all, map_volumes
from glassplate.client import Client


@click.command()
@click.argument("volumes", metavar="[VOLUME...]", nargs=-1, type=VOLUME)
@click.option("--apply", "is_applied", is_flag=True, help="Do what the plan says.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def repair(
    connection: Connection, volumes: tuple[int, ...], *, is_applied: bool, as_json: bool
) -> None:
    r"""Make the mirrors of volumes equal.

    Storagemasters do so by themselves, all the time; this does it now, and tells. Without volumes
    it means all of them. The plan is shown, and with --apply it is carried out. Steps that failed
    too often to be tried again are tried again. The exit status is 1 if anything is left.

    \b
    Examples:
      glassplate repair
      glassplate repair 3 --apply
      glassplate repair --apply --json | jq '.repairs[].failed[]'
    """
    plans = connection.run(lambda client: _plans(client, volumes))
    unequal = [plan for plan in plans if not plan["equal"]]
    if not as_json:
        _print_plans(unequal, volumes_total=len(plans))
    repairs: list[Document] = []
    if is_applied and unequal:
        repairs = connection.run(lambda client: _repair_all(client, unequal))
    is_equal = all(document["equal"] for document in (repairs if is_applied else unequal))
    if as_json:
        import json

        click.echo(json.dumps({"equal": is_equal, "plans": plans, "repairs": repairs}, indent=2))
    else:
        _print_repairs(repairs)
        if unequal and not is_applied:
            click.echo("Nothing was changed; --apply does it.", err=True)
    sys.exit(0 if is_equal else EXIT_NOT_DONE)


async def _plans(client: Client, volumes: tuple[int, ...]) -> list[Document]:
    return await map_volumes(await chosen_or_all(client, volumes), client.diff)


async def _repair_all(client: Client, plans: Sequence[Document]) -> list[Document]:
    from glassplate.cli.views.repair_progress import RepairProgress

    with RepairProgress(plans) as progress:

        async def one(volume: int) -> Document:
            repaired = await client.repair(volume)
            progress.end(repaired)
            return repaired

        return await map_volumes([plan["volume"] for plan in plans], one)


def _print_plans(unequal: Sequence[Document], *, volumes_total: int) -> None:
    from glassplate.cli.views.consoles import stdout_console
    from glassplate.cli.views.repair_tables import plan_view

    for plan in unequal:
        for part in plan_view(plan):
            stdout_console().print(part)
    click.echo(
        f"Volumes whose mirrors are equal: {volumes_total - len(unequal)} of {volumes_total}"
    )


def _print_repairs(repairs: Sequence[Document]) -> None:
    from glassplate.cli.views.consoles import stdout_console
    from glassplate.cli.views.repair_tables import repair_view

    for repaired in repairs:
        for part in repair_view(repaired):
            stdout_console().print(part)
