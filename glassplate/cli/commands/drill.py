"""`glassplate drill`: fault injection into a test cluster, with a verdict."""

import asyncio
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glassplate.cli.failures import EXIT_FAILED
from glassplate.cli.views.output import json_option, print_json, print_parts, stderr_console

if TYPE_CHECKING:
    from drill.run import Drill
    from drill.scenarios.scenario import Scenario

SECONDS_DEFAULT = 15.0
SECONDS_MIN = 8.0
SEEDS = 2**32
EXIT_SIGTERM = 128 + 15


@click.command()
@click.argument("names", nargs=-1, metavar="[SCENARIO]...")
@click.option("--list", "is_listing", is_flag=True, help="List the scenarios, and exit.")
@click.option(
    "--all", "is_all", is_flag=True, help="Run every scenario, not only the representative ones."
)
@click.option("--seed", type=click.IntRange(0, SEEDS), show_default="random", help="Seed.")
@click.option(
    "--duration",
    "load_seconds",
    type=click.FloatRange(SECONDS_MIN),
    default=SECONDS_DEFAULT,
    show_default=True,
    help="Seconds of load in each drill, including the faults.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory for a page with charts, histories, verdicts, and logs.",
)
@json_option
def drill(
    names: tuple[str, ...],
    *,
    is_listing: bool,
    is_all: bool,
    seed: int | None,
    load_seconds: float,
    report: Path | None,
    as_json: bool,
) -> None:
    r"""Inject faults into a test cluster.

    Each scenario starts a cluster on loopback, loads it, injects its faults, and proves that they
    fired. Then it removes the faults, waits until all mirrors are equal, and reads every photo
    from every node and edge. Without SCENARIO, the representative ones run. The exit status is 0
    only if every rule held and every fault fired.

    \b
    Examples:
      glassplate drill --list
      glassplate drill colo-lost
      glassplate drill bits-flipped --seed 7 --duration 30 --report out/
      glassplate drill --all --json > drills.json
    """
    from drill.scenarios.scenarios import SCENARIOS

    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise click.UsageError(
            f"unknown scenario {', '.join(unknown)}; list them with `glassplate drill --list`"
        )
    chosen = [
        scenario
        for scenario in SCENARIOS.values()
        if (scenario.name in names if names else is_all or is_listing or scenario.is_representative)
    ]
    if is_listing:
        _list(chosen, as_json=as_json)
        return
    seed = secrets.randbelow(SEEDS) if seed is None else seed
    try:
        drills, not_run = _run(chosen, seed=seed, load_seconds=load_seconds, logs=report)
    except asyncio.CancelledError:
        sys.exit(EXIT_SIGTERM)
    _print_results(drills, not_run, report=report, as_json=as_json)
    held = not not_run and all(each.passed for each in drills)
    sys.exit(0 if held else EXIT_FAILED)


def _list(scenarios: "Sequence[Scenario]", *, as_json: bool) -> None:
    if as_json:
        fields = [
            {"name": s.name, "description": s.description, "representative": s.is_representative}
            for s in scenarios
        ]
        print_json({"scenarios": fields})
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("scenario", no_wrap=True)
    table.add_column("representative", justify="center")
    table.add_column("faults")
    for scenario in scenarios:
        table.add_row(
            scenario.name, "*" if scenario.is_representative else "", scenario.description
        )
    print_parts(table)


def _run(
    scenarios: "Sequence[Scenario]", *, seed: int, load_seconds: float, logs: Path | None
) -> "tuple[list[Drill], dict[str, str]]":
    import uvloop
    from rich.live import Live

    from drill.campaign import missing_requirement, run_campaign
    from drill.report.report import add_to_report
    from glassplate.cli.views.drill_tables import LiveDrills

    not_run = {s.name: reason for s in scenarios if (reason := missing_requirement(s))}
    shown = LiveDrills(scenarios, not_run, seed=seed, clock=time.monotonic)
    console = stderr_console()
    over: list[Drill] = []
    if logs is not None:
        add_to_report(logs, over, not_run, seconds=load_seconds)
    runnable = [s for s in scenarios if s.name not in not_run]
    with Live(
        get_renderable=shown.render, console=console, transient=True, refresh_per_second=4
    ) as live:
        live.auto_refresh = console.is_terminal

        def ended(drill: "Drill") -> None:
            shown.end(drill)
            over.append(drill)
            if logs is not None:
                add_to_report(logs, over, not_run, seconds=load_seconds)
            if not console.is_terminal:
                click.echo(shown.line(drill), err=True)

        drills = uvloop.run(
            run_campaign(
                runnable,
                seed=seed,
                load_seconds=load_seconds,
                logs=logs,
                on_progress=shown.update,
                ended=ended,
            )
        )
    return drills, not_run


def _print_results(
    drills: "Sequence[Drill]",
    not_run: Mapping[str, str],
    *,
    report: Path | None,
    as_json: bool,
) -> None:
    from drill.report.report import PAGE, document_of
    from glassplate.cli.views.drill_tables import table_of_drills, violations_of

    page = report / PAGE if report is not None else None
    if as_json:
        document = {
            "passed": not not_run and all(drill.passed for drill in drills),
            "drills": [document_of(drill) for drill in drills],
            "not_run": dict(not_run),
            "report": str(page) if page else None,
        }
        print_json(document)
        return
    print_parts(table_of_drills(drills, not_run))
    for line in violations_of(drills):
        click.echo(line)
    if page is not None:
        click.echo(f"report: {page}")
