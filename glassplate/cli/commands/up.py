"""`glassplate up`: a whole cluster on this machine, until Ctrl-C."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from glassplate.errors import GlassplateError
from glassplate.local.cluster import LocalCluster, PortsInUse
from glassplate.local.control import control_server
from glassplate.local.plan import PORTS_USED
from glassplate.local.processes import ProcessFailed, SupervisedProcess
from glassplate.local.samples import SampleOutcome, upload_samples
from permission_urls import KeyRingError, Scope, sign_token
from storagenode.disk.marker import RootRefused
from volumes.config_reader import InvalidConfig

DEFAULT_PORT = 8080


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="Where photos, config, keys and logs are kept.",
)
@click.option(
    "--port",
    type=click.IntRange(1024, 65535 - PORTS_USED),
    default=DEFAULT_PORT,
    show_default=True,
    help=f"The first of {PORTS_USED} ports of a new cluster; one that exists keeps its own.",
)
@click.option("--samples/--no-samples", default=True, help="Whether to upload the sample photos.")
def up(data: Path, port: int, *, samples: bool) -> None:
    r"""Run a whole cluster on this machine, until Ctrl-C.

    Two colos of two storage nodes, two storagemasters, two image workers, an nginx edge for each
    colo, Varnish, Valkey and memcached, all on loopback.

    \b
    Examples:
      glassplate up
      glassplate up --data /srv/photos --port 9000 --no-samples
    """
    console = Console(stderr=True)
    try:
        cluster = LocalCluster.prepare(data, port=port)
        cluster.refuse_taken_ports()
        asyncio.run(_run(cluster, console, samples=samples))
    except (InvalidConfig, KeyRingError, RootRefused, PortsInUse, ProcessFailed, OSError) as error:
        console.print(f"glassplate up: {error}", style="red", markup=False, highlight=False)
        raise SystemExit(2) from error


async def _run(cluster: LocalCluster, console: Console, *, samples: bool) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    for missing in cluster.missing:
        console.print(f"[yellow]{missing.name} is not installed: {missing.consequence}[/]")
    try:
        running = asyncio.create_task(_serve(cluster, console, stopping, samples=samples))
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not stopping.is_set():
            await running
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    finally:
        console.print("Stopping…")
        await cluster.stop(cluster.processes)
        console.print(f"Stopped. The photos are in {cluster.data}; `up` finds them again.")


async def _serve(
    cluster: LocalCluster, console: Console, stopping: asyncio.Event, *, samples: bool
) -> None:
    with _progress(console) as progress:
        task = progress.add_task("Starting", total=len(cluster.processes))

        def started(name: str) -> None:
            progress.update(task, advance=1, description=f"Started {name}")

        await cluster.start(cluster.processes, started)
        progress.update(task, description="Started")
    control = _Control(cluster)
    async with control_server(cluster.data / "run", control.handle):
        token = sign_token(cluster.keys, [Scope.UPLOAD, Scope.READ, Scope.DELETE])
        outcomes = []
        if samples:
            try:
                outcomes = await _samples(cluster, token, console)
            except GlassplateError as error:
                console.print(f"The sample photos are not there: {error}", markup=False)
        control.is_settled = True
        _print_welcome(cluster, token, outcomes)
        await stopping.wait()


async def _samples(cluster: LocalCluster, token: str, console: Console) -> list[SampleOutcome]:
    with _progress(console) as progress:
        task = progress.add_task("Sample photos", total=None)

        def report(done: int, total: int, what: str) -> None:
            progress.update(task, completed=done, total=total, description=what)

        return await upload_samples(cluster.cluster, token, report)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), console=console
    )


def _print_welcome(cluster: LocalCluster, token: str, outcomes: list[SampleOutcome]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for outcome in outcomes:
        console.print(f"{outcome.name}  {outcome.state}", markup=False)
        for letter, url in outcome.urls.items():
            console.print(f"  {letter}  {url}", markup=False)
    table = Table(box=None, show_header=False, padding=(0, 2))
    for edge in cluster.cluster.edges.values():
        table.add_row(f"{edge.kind} in {edge.colo}", f"http://{edge.listen}")
    for master in cluster.cluster.masters.values():
        table.add_row(f"storagemaster in {master.colo}", f"http://{master.address}")
    table.add_row("API token", token)
    table.add_row("config, keys, logs", str(cluster.data))
    console.print(table)
    master = next(iter(cluster.cluster.masters.values()))
    console.print(
        "\nTry, in another terminal:\n"
        f"  glassplate --cluster {cluster.data}/cluster.toml status\n"
        f"  glassplate --cluster {cluster.data}/cluster.toml colo stop east\n"
        f"  curl --data-binary @cat.jpg -H 'Authorization: Bearer {token}' "
        f"http://{master.address}/photos\n"
        "Ctrl-C stops it all.",
        markup=False,
    )


class _Control:
    """What `glassplate colo` may ask of a running cluster."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self._lock = asyncio.Lock()
        self.is_settled = False
        """Whether everything is started, and the sample photos are there."""

    async def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        processes = self._chosen(request)
        if not processes:
            return {"error": f"there is no process of {request.get('colo') or request}"}
        async with self._lock:
            if request["do"] == "stop":
                await self._cluster.stop(processes)
            elif request["do"] == "start":
                await self._cluster.start(processes)
        return {
            "settled": self.is_settled,
            "processes": [
                {"name": p.plan.name, "colo": p.plan.colo, "pid": p.pid, "restarts": p.restarts}
                for p in processes
            ],
        }

    def _chosen(self, request: dict[str, Any]) -> list[SupervisedProcess]:
        if request.get("colo"):
            return self._cluster.of_colo(request["colo"])
        return self._cluster.processes
