"""Commands to the processes of a running local cluster, and their output."""

import sys
from pathlib import Path
from typing import Any

import click

from glassplate.cli.failures import EXIT_FAILED, Failure
from glassplate.cli.views.output import print_json
from glassplate.local.control import NotRunning, send_control_request


def control_processes(request: dict[str, Any], *, as_json: bool) -> None:
    """Send a request to the cluster of the chosen config, and print its processes.

    Exit with status 1 if a process did not start.
    """
    config: Path = click.get_current_context().obj.cluster_path
    try:
        response = send_control_request(config.parent / "run", request)
    except NotRunning as error:
        raise Failure(f"{error}\nStart it with `glassplate up --data {config.parent}`.") from error
    if "error" in response:
        raise Failure(str(response["error"]))
    processes = response["processes"]
    if as_json:
        print_json(processes)
    else:
        for process in processes:
            click.echo(_describe(process))
    failures = [process["failure"] for process in processes if process["failure"]]
    for failure in failures:
        click.echo(f"glassplate: {failure}", err=True)
    if failures:
        sys.exit(EXIT_FAILED)


def _describe(process: dict[str, Any]) -> str:
    state = f"running, pid {process['pid']}" if process["pid"] else "stopped"
    if process["failure"]:
        state = "did not start"
    restarts = f", {process['restarts']} restarts" if process["restarts"] else ""
    return f"{process['colo'] or 'both':<6}{process['name']:<18}{state}{restarts}"
