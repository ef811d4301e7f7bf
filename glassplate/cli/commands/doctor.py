"""`glassplate doctor`: checks of a cluster, and what to do about each finding."""

import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from glassplate.cli.connection import Connection
from glassplate.cli.views.output import escape_lines, json_option, print_json
from runtime.quantities import quantity

if TYPE_CHECKING:
    from glassplate.doctor.finding import Finding

_COLORS = {"ok": "green", "unknown": "cyan", "warn": "yellow", "fail": "red"}


@click.command()
@click.option("--canary", is_flag=True, help="Send a photo through the cluster, and delete it.")
@click.option("--all", "shows_all", is_flag=True, help="Show also what is well.")
@json_option
@click.pass_obj
def doctor(connection: Connection, *, canary: bool, shows_all: bool, as_json: bool) -> None:
    r"""Check the cluster, and say what to do.

    It checks keys, tokens, and the disks of this machine; clocks, versions, and the volume map of
    all processes; edges, queue, caches, limits of open files, and addresses of internal ports. Run
    it on the machine of a node to check the node's disk.

    With --canary, a photo goes through upload, sizes, every edge, and delete.

    \b
    Exit status: 0 if all is well, 1 for warnings, 2 for failures.

    \b
    Examples:
      glassplate doctor
      glassplate doctor --canary
      glassplate doctor --json | jq '.findings[] | select(.verdict != "ok")'
    """
    import asyncio

    from glassplate.doctor.finding import exit_status

    findings = asyncio.run(_collect(connection, canary=canary))
    if as_json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings, shows_all=shows_all)
    sys.exit(exit_status(findings))


async def _collect(connection: Connection, *, canary: bool) -> "list[Finding]":
    return [finding async for finding in _findings(connection, canary=canary)]


async def _findings(connection: Connection, *, canary: bool) -> "AsyncIterator[Finding]":
    import aiohttp

    from glassplate.doctor.canary import run_canary
    from glassplate.doctor.diagnosis import diagnose

    cluster = connection.cluster()
    async with aiohttp.ClientSession() as session:
        async for finding in diagnose(cluster, session):
            yield finding
        if canary:
            async with connection.client() as client:
                steps = run_canary(cluster, client, session, now_seconds=time.time())
                async for finding in steps:
                    yield finding


def _print(findings: "list[Finding]", *, shows_all: bool) -> None:
    for finding in findings:
        if finding.verdict == "ok" and not shows_all:
            continue
        color = _COLORS[finding.verdict]
        text = f"{finding.what}: {finding.found}" if finding.found else finding.what
        verdict = click.style(f"{finding.verdict:<8}", fg=color)
        click.echo(f"{verdict}{escape_lines(text)}")
        if finding.do:
            click.echo(f"        {escape_lines(finding.do)}")
    counts = {name: sum(f.verdict == name for f in findings) for name in _COLORS}
    summary = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    click.echo(f"{quantity(len(findings), 'check')}: {summary}")
