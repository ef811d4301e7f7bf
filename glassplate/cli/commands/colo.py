"""`glassplate colo`: stop and start all processes of one colo of a local cluster."""

import json
from pathlib import Path

import click

from glassplate.local.control import NotRunning, ask


@click.group()
def colo() -> None:
    r"""Stop and start a whole colo of the cluster that `glassplate up` runs.

    \b
    Examples:
      glassplate colo stop east
      glassplate colo start east
      glassplate colo list
    """


def _act(do: str, name: str | None, *, as_json: bool) -> None:
    context = click.get_current_context()
    config: Path = context.obj.cluster_path
    try:
        answer = ask(config.parent / "run", {"do": do, "colo": name})
    except NotRunning as error:
        raise click.ClickException(str(error)) from error
    if "error" in answer:
        raise click.ClickException(str(answer["error"]))
    if as_json:
        click.echo(json.dumps(answer["processes"]))
        return
    for process in answer["processes"]:
        state = f"runs as {process['pid']}" if process["pid"] else "is stopped"
        where = process["colo"] or "both"
        restarts = f", was restarted {process['restarts']} times" if process["restarts"] else ""
        click.echo(f"{where:<6}{process['name']:<18}{state}{restarts}")


_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@colo.command()
@click.argument("name")
@_json_option
def stop(name: str, *, as_json: bool) -> None:
    """Stop every process of a colo, as if its site had gone dark."""
    _act("stop", name, as_json=as_json)


@colo.command()
@click.argument("name")
@_json_option
def start(name: str, *, as_json: bool) -> None:
    """Start the processes of a colo again."""
    _act("start", name, as_json=as_json)


@colo.command("list")
@_json_option
def list_processes(*, as_json: bool) -> None:
    """Show all processes, with their colo and process id."""
    _act("list", None, as_json=as_json)
