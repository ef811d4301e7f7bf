"""`glassplate colo`: colos of the volume map, and of a local cluster."""

import click

from glassplate.cli.commands import colo_changes
from glassplate.cli.local_control import control_processes
from glassplate.cli.views.output import json_option


@click.group()
def colo() -> None:
    r"""Add, drain, stop, and start colos.

    `add` and `drain` change the volume map of any cluster: they show a plan, and do it with
    --apply. To stop and start a colo, the cluster must be running with `glassplate up`. `glassplate
    node` does all of this for a single node.

    \b
    Examples:
      glassplate colo drain west
      glassplate colo stop east
      glassplate colo start east
      glassplate colo list
    """


colo.add_command(colo_changes.add)
colo.add_command(colo_changes.drain)


@colo.command()
@click.argument("name", metavar="COLO")
@json_option
def stop(name: str, *, as_json: bool) -> None:
    r"""Stop every process of a colo.

    \b
    Example:
      glassplate colo stop east
    """
    control_processes({"do": "stop", "colo": name}, as_json=as_json)


@colo.command()
@click.argument("name", metavar="COLO")
@json_option
def start(name: str, *, as_json: bool) -> None:
    r"""Start every process of a colo.

    A process that does not start stops no other. The exit status is then 1.

    \b
    Example:
      glassplate colo start east
    """
    control_processes({"do": "start", "colo": name}, as_json=as_json)


@colo.command("list")
@json_option
def list_processes(*, as_json: bool) -> None:
    r"""List all processes with their colos and process ids.

    \b
    Examples:
      glassplate colo list
      glassplate colo list --json | jq '.[] | select(.pid == null).name'
    """
    control_processes({"do": "list"}, as_json=as_json)
