"""`glassplate up`: a local cluster that runs until Ctrl-C."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import click

from glassplate.cli.views.output import stderr_console
from glassplate.cli.views.progress import reported_steps
from glassplate.cli.views.start_report import missing_lines, port_lines, welcome_lines
from glassplate.errors import GlassplateError
from glassplate.local.cluster import LocalCluster, PortsInUse
from glassplate.local.control import control_server
from glassplate.local.plan import PORTS_USED
from glassplate.local.processes import ProcessFailed, SupervisedProcess
from glassplate.local.samples import SampleOutcome, upload_samples
from permission_urls import KeyRingError, Scope, sign_token
from storagenode.store import RootRefused
from volumes.config_reader import InvalidConfig

DEFAULT_PORT = 8080


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="Folder for photos, config, keys, and logs.",
)
@click.option(
    "--port",
    type=click.IntRange(1024, 65535 - PORTS_USED),
    default=DEFAULT_PORT,
    show_default=True,
    help=f"First of {PORTS_USED} ports of a new cluster. An existing one keeps its ports.",
)
@click.option(
    "--samples/--no-samples", default=True, show_default=True, help="Upload the sample photos."
)
@click.option("--urls", is_flag=True, help="Print every URL of every sample photo.")
def up(data: Path, port: int, *, samples: bool, urls: bool) -> None:
    r"""Run a local cluster until Ctrl-C.

    The cluster has two colos of two storage nodes, two storagemasters, two image workers, an
    nginx edge per colo, Varnish, Valkey, and memcached, all on loopback.

    \b
    Examples:
      glassplate up
      glassplate up --data /srv/photos --port 9000 --no-samples
    """
    click.echo(f"Starting a cluster in {data}", err=True)
    try:
        cluster = LocalCluster.prepare(data, port=port)
        for line in (*missing_lines(cluster), *port_lines(cluster, port)):
            click.echo(line, err=True)
        cluster.require_free_ports()
        asyncio.run(_run(cluster, samples=samples, all_urls=urls))
    except (InvalidConfig, KeyRingError, RootRefused, PortsInUse, ProcessFailed, OSError) as error:
        click.secho(f"glassplate up: {error}", fg="red", err=True)
        raise SystemExit(2) from error


async def _run(cluster: LocalCluster, *, samples: bool, all_urls: bool) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        running = asyncio.create_task(_serve(cluster, stopping, samples=samples, all_urls=all_urls))
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not stopping.is_set():
            await running
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    finally:
        click.echo("Stopping…", err=True)
        await cluster.stop(cluster.processes)
        click.echo("Stopped. Run `glassplate up` again to continue with the photos in", err=True)
        click.echo(f"  {cluster.data}", err=True)


async def _serve(
    cluster: LocalCluster, stopping: asyncio.Event, *, samples: bool, all_urls: bool
) -> None:
    console = stderr_console()
    async with reported_steps(console) as report:
        names: list[str] = []

        def started(name: str) -> None:
            names.append(name)
            report(len(names), len(cluster.processes), f"Started {name}")

        await cluster.start(cluster.processes, started)
    control = _Control(cluster)
    async with control_server(cluster.data / "run", control.handle):
        token = sign_token(cluster.keys, [Scope.UPLOAD, Scope.READ, Scope.DELETE])
        outcomes: list[SampleOutcome] = []
        if samples:
            try:
                async with reported_steps(console) as report:
                    outcomes = await upload_samples(cluster.cluster, token, report)
            except GlassplateError as error:
                click.echo(f"The sample photos were not uploaded: {error}", err=True)
        control.is_ready = True
        for line in welcome_lines(cluster, token, outcomes, all_urls=all_urls):
            click.echo(line)
        await stopping.wait()


class _Control:
    """Handler of the requests of `glassplate colo`."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self._lock = asyncio.Lock()
        self.is_ready = False
        """True once all processes are started and the sample photos are uploaded."""

    async def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        processes = self._chosen(request)
        if not processes:
            colos = dict.fromkeys(p.plan.colo for p in self._cluster.processes if p.plan.colo)
            return {"error": f"unknown colo {request['colo']!r}; known colos: {', '.join(colos)}"}
        async with self._lock:
            if request["do"] == "stop":
                await self._cluster.stop(processes)
            elif request["do"] == "start":
                await self._cluster.start(processes)
        return {
            "ready": self.is_ready,
            "processes": [
                {"name": p.plan.name, "colo": p.plan.colo, "pid": p.pid, "restarts": p.restarts}
                for p in processes
            ],
        }

    def _chosen(self, request: dict[str, Any]) -> list[SupervisedProcess]:
        if request.get("colo"):
            return self._cluster.of_colo(request["colo"])
        return self._cluster.processes
