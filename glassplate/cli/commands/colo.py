"""`glassplate colo`: stop and start the processes of one colo of a local cluster."""

import click

from glassplate.cli.local_control import control_processes
from glassplate.cli.views.output import json_option


@click.group()
def colo() -> None:
    r"""Stop and start colos of a local cluster.

    The cluster must be running with `glassplate up`. `glassplate node` stops and starts a single
    node.

    \b
    Examples:
      glassplate colo stop east
      glassplate colo start east
      glassplate colo list
    """


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
