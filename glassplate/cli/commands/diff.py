"""`glassplate diff`: comparison of the mirrors of volumes."""

import sys

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED
from glassplate.cli.options.parameter_types import VOLUME
from glassplate.cli.options.volume_arguments import map_volumes
from glassplate.cli.views.output import json_option, print_json, print_parts


@click.command()
@click.argument("volumes", metavar="VOLUME...", nargs=-1, required=True, type=VOLUME)
@json_option
@click.pass_obj
def diff(connection: Connection, volumes: tuple[int, ...], *, as_json: bool) -> None:
    r"""Compare the mirrors of volumes.

    The output lists the steps that would make the mirrors equal, and the conflicts that a
    repair settles. Nothing is changed. The exit status is 1 if mirrors differ or are unreachable.

    \b
    Examples:
      glassplate diff 3
      glassplate diff 1 2 3 --json | jq '.volumes[].copy_bytes'
    """
    unique = list(dict.fromkeys(volumes))
    plans = connection.run(lambda client: map_volumes(unique, client.diff))
    is_equal = all(plan["equal"] for plan in plans)
    if as_json:
        print_json({"equal": is_equal, "volumes": plans})
    else:
        from glassplate.cli.views.repair_tables import plan_view

        for plan in plans:
            print_parts(*plan_view(plan))
    sys.exit(0 if is_equal else EXIT_FAILED)
