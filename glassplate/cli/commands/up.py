"""`glassplate up`: a local cluster that runs until Ctrl-C."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import click

from glassplate.cli.failures import EXIT_USAGE
from glassplate.cli.views.output import stderr_console
from glassplate.cli.views.progress import reported_steps
from glassplate.cli.views.start_report import (
    failed_lines,
    failed_names,
    finding_lines,
    missing_lines,
    port_lines,
    welcome_lines,
)
from glassplate.doctor.diagnosis import diagnose
from glassplate.doctor.finding import Finding
from glassplate.errors import GlassplateError
from glassplate.local.cluster import LocalCluster
from glassplate.local.control import control_server
from glassplate.local.plan import PORTS_USED
from glassplate.local.ports import PortsInUse
from glassplate.local.preparation import DEFAULT_PORT, AlreadyRunning, data_lock
from glassplate.local.processes import StartFailed, SupervisedProcess
from glassplate.local.samples import SampleOutcome, upload_samples
from glassplate.session.new_tokens import sign_in_link, sign_new_token
from permission_urls import KeyRingError
from runtime.tasks_beside import run_beside
from storagenode.protocol.errors import NodeError
from storagenode.store import RootRefused
from volumes.config.config_reader import InvalidConfig

_CANNOT_START = (
    AlreadyRunning,
    InvalidConfig,
    KeyRingError,
    RootRefused,
    NodeError,
    PortsInUse,
    OSError,
)


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
    show_default=f"{DEFAULT_PORT}, or the port of the existing cluster",
    help=f"First of {PORTS_USED} ports. An existing cluster moves to them.",
)
@click.option(
    "--samples/--no-samples", default=True, show_default=True, help="Upload the sample photos."
)
@click.option("--urls", is_flag=True, help="Print every URL of every sample photo.")
def up(data: Path, port: int | None, *, samples: bool, urls: bool) -> None:
    r"""Run a local cluster until Ctrl-C.

    The cluster has two colos of two storage nodes, two storagemasters, two image workers, an
    nginx edge per colo, Varnish, Valkey, and memcached, all on loopback.

    \b
    Examples:
      glassplate up
      glassplate up --data /srv/photos --port 9000 --no-samples
    """
    # Photos, keys, and logs are for the owner alone. Every process inherits this.
    os.umask(0o077)
    click.echo(f"Starting a cluster in {data}", err=True)
    try:
        with data_lock(data):
            cluster = LocalCluster.prepare(data, port=port)
            for line in (*missing_lines(cluster), *port_lines(cluster)):
                click.echo(line, err=True)
            cluster.require_free_ports()
            asyncio.run(_run(cluster, samples=samples, all_urls=urls))
    except _CANNOT_START as error:
        click.secho(f"glassplate up: {error}", fg="red", err=True)
        raise SystemExit(EXIT_USAGE) from error


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

        reasons = await _start(cluster, started)
    for line in failed_lines(reasons):
        click.secho(line, fg="red", err=True)
    control = _Control(cluster)
    async with control_server(cluster.data / "run", control.handle):
        token = sign_new_token(cluster.keys, ["upload", "read", "original", "delete"])
        outcomes: list[SampleOutcome] = []
        if samples:
            try:
                async with reported_steps(console) as report:
                    outcomes = await upload_samples(cluster.cluster, token, report)
            except GlassplateError as error:
                click.echo(f"The sample photos were not uploaded: {error}", err=True)
        async with run_beside(cluster.follow_edges(partial(click.echo, err=True))):
            for line in finding_lines([finding async for finding in _diagnose(cluster)]):
                click.echo(line, err=True)
            control.is_ready = True
            link = sign_in_link(cluster.cluster, cluster.keys)
            for line in welcome_lines(cluster, token, link, outcomes, all_urls=all_urls):
                click.echo(line)
            # The reasons are above all that was printed since.
            for line in failed_names(reasons):
                click.secho(line, fg="red", err=True)
            await stopping.wait()


async def _diagnose(cluster: LocalCluster) -> AsyncIterator[Finding]:
    """Yield the findings of the doctor, without a canary."""
    async with aiohttp.ClientSession() as session:
        async for finding in diagnose(cluster.cluster, session):
            yield finding


async def _start(cluster: LocalCluster, started: Callable[[str], None]) -> Mapping[str, str]:
    """Start every process. Return the reason for each that did not start."""
    try:
        await cluster.start(cluster.processes, started)
    except StartFailed as error:
        return error.reasons
    return {}


class _Control:
    """Handler of the requests of `glassplate colo` and `glassplate node`."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self._lock = asyncio.Lock()
        self.is_ready = False
        """True once all processes are started and the sample photos are uploaded."""

    async def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        processes = self._chosen(request)
        if not processes:
            return {"error": self._unknown(request)}
        reasons: Mapping[str, str] = {}
        async with self._lock:
            if request["do"] == "stop":
                await self._cluster.stop(processes)
            elif request["do"] == "start":
                try:
                    await self._cluster.start(processes)
                except StartFailed as error:
                    reasons = error.reasons
        return {
            "ready": self.is_ready,
            "processes": [
                {
                    "name": p.plan.name,
                    "colo": p.plan.colo,
                    "pid": p.pid,
                    "restarts": p.restarts,
                    "failure": reasons.get(p.plan.name),
                }
                for p in processes
            ],
        }

    def _chosen(self, request: dict[str, Any]) -> list[SupervisedProcess]:
        if request.get("process"):
            return self._cluster.named(request["process"])
        if request.get("colo"):
            return self._cluster.of_colo(request["colo"])
        return self._cluster.processes

    def _unknown(self, request: dict[str, Any]) -> str:
        plans = [process.plan for process in self._cluster.processes]
        if request.get("process"):
            known = [plan.name for plan in plans]
            return f"unknown node {request['process']!r}; known processes: {', '.join(known)}"
        colos = dict.fromkeys(plan.colo for plan in plans if plan.colo)
        return f"unknown colo {request['colo']!r}; known colos: {', '.join(colos)}"
