"""`glassplate repair`: repair of the mirrors of volumes, by a plan that is shown first."""

import sys
from collections.abc import Sequence

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED
from glassplate.cli.options.parameter_types import VOLUME
from glassplate.cli.options.volume_arguments import (
    NOT_APPLIED,
    Document,
    apply_option,
    chosen_or_all,
    map_volumes,
    repair_all,
)
from glassplate.cli.views.output import json_option, print_json, print_parts
from glassplate.client import Client


@click.command()
@click.argument("volumes", metavar="[VOLUME...]", nargs=-1, type=VOLUME)
@apply_option
@json_option
@click.pass_obj
def repair(
    connection: Connection, volumes: tuple[int, ...], *, is_applied: bool, as_json: bool
) -> None:
    r"""Make the mirrors of volumes equal.

    Storagemasters repair continuously; this command repairs now, and reports the result. Without
    VOLUME, it repairs all volumes. The plan is shown, and --apply carries it out, including steps
    that storagemasters gave up on. The exit status is 1 if any step is left.

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
        repairs = connection.run(lambda client: repair_all(client, unequal))
    is_equal = all(document["equal"] for document in (repairs if is_applied else unequal))
    if as_json:
        print_json({"equal": is_equal, "plans": plans, "repairs": repairs})
    else:
        _print_repairs(repairs)
        if unequal and not is_applied:
            click.echo(NOT_APPLIED, err=True)
    sys.exit(0 if is_equal else EXIT_FAILED)


async def _plans(client: Client, volumes: tuple[int, ...]) -> list[Document]:
    return await map_volumes(await chosen_or_all(client, volumes), client.diff)


def _print_plans(unequal: Sequence[Document], *, volumes_total: int) -> None:
    from glassplate.cli.views.repair_tables import plan_view

    for plan in unequal:
        print_parts(*plan_view(plan))
    equal_count = volumes_total - len(unequal)
    click.echo(f"Volumes whose mirrors are equal: {equal_count} of {volumes_total}")


def _print_repairs(repairs: Sequence[Document]) -> None:
    from glassplate.cli.views.repair_tables import repair_view

    for repaired in repairs:
        print_parts(*repair_view(repaired))
