"""`glassplate colo`: stop and start the processes of one colo of a local cluster."""

from pathlib import Path

import click

from glassplate.cli.views.output import json_option, print_json
from glassplate.local.control import NotRunning, send_control_request


@click.group()
def colo() -> None:
    r"""Stop and start colos of a local cluster.

    The cluster must be running with `glassplate up`.

    \b
    Examples:
      glassplate colo stop east
      glassplate colo start east
      glassplate colo list
    """


def _send(action: str, name: str | None, *, as_json: bool) -> None:
    config: Path = click.get_current_context().obj.cluster_path
    try:
        response = send_control_request(config.parent / "run", {"do": action, "colo": name})
    except NotRunning as error:
        raise click.ClickException(str(error)) from error
    if "error" in response:
        raise click.ClickException(str(response["error"]))
    if as_json:
        print_json(response["processes"])
        return
    for process in response["processes"]:
        state = f"running, pid {process['pid']}" if process["pid"] else "stopped"
        restarts = f", {process['restarts']} restarts" if process["restarts"] else ""
        click.echo(f"{process['colo'] or 'both':<6}{process['name']:<18}{state}{restarts}")


@colo.command()
@click.argument("name", metavar="COLO")
@json_option
def stop(name: str, *, as_json: bool) -> None:
    r"""Stop every process of a colo.

    \b
    Example:
      glassplate colo stop east
    """
    _send("stop", name, as_json=as_json)


@colo.command()
@click.argument("name", metavar="COLO")
@json_option
def start(name: str, *, as_json: bool) -> None:
    r"""Start every process of a colo.

    \b
    Example:
      glassplate colo start east
    """
    _send("start", name, as_json=as_json)


@colo.command("list")
@json_option
def list_processes(*, as_json: bool) -> None:
    r"""List all processes with their colos and process ids.

    \b
    Examples:
      glassplate colo list
      glassplate colo list --json | jq '.[] | select(.pid == null).name'
    """
    _send("list", None, as_json=as_json)
