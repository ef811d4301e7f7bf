"""`glassplate plan`: capacity, repair, durability, and costs of a cluster, without the cluster."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import click

from capacity.scenario import Scenario
from glassplate.cli.options.parameter_types import BYTES, COUNT
from glassplate.cli.views.output import json_option, print_json, print_parts

_Command = TypeVar("_Command", bound=Callable[..., Any])

_DEFAULTS = {field.name: field.default for field in fields(Scenario)}


def _option(name: str, type_: Any, text: str, **settings: Any) -> Callable[[_Command], _Command]:
    """Return an option with the default of the scenario."""
    default = _DEFAULTS[name.removeprefix("--").replace("-", "_")]
    return click.option(name, type=type_, default=default, show_default=True, help=text, **settings)


@click.command()
@click.option("--nodes", type=COUNT, required=True, help="Nodes, each with one disk.")
@click.option("--files-per-node", type=COUNT, required=True, help="Files on a node, such as 1e8.")
@click.option("--colos", type=COUNT, required=True, help="Colos; nodes are spread evenly.")
@_option("--mirrors", COUNT, "Mirrors of a volume.")
@_option("--volumes", COUNT, "Volumes.")
@click.option(
    "--partners",
    type=COUNT,
    show_default="all",
    help="Nodes of each other colo that a node shares volumes with.",
)
@click.option("--masters", type=COUNT, show_default="2 a colo", help="Storagemasters.")
@_option("--file-bytes", BYTES, "Mean bytes of a file.")
@_option("--disk-bytes", BYTES, "Bytes of a disk, of several in turn. Repeatable.", multiple=True)
@_option("--repair-bytes-per-second", BYTES, "limits.repair_bytes_per_second.")
@_option("--scrub-bytes-per-second", BYTES, "limits.scrub_bytes_per_second.")
@_option("--disk-losses-per-year", float, "Share of the disks that fail.")
@_option("--replace-hours", float, "Time until a disk is replaced.")
@_option("--colo-losses-per-year", float, "Chance that a colo loses all disks.")
@_option("--colo-outages-per-year", float, "Outages of a colo.")
@_option("--outage-hours", float, "Length of an outage.")
@_option("--years", COUNT, "Years to simulate.")
@_option("--seed", click.IntRange(0), "Seed of the simulation.")
@json_option
def plan(*, as_json: bool, **values: Any) -> None:
    r"""Compute what a cluster stores, survives, and costs.

    It contacts no cluster. The figures come from measured costs of single steps, and from the code
    that places photos and repairs mirrors. Rates of failures are assumptions: replace them with
    yours. docs/scale.md explains each figure.

    \b
    Exit status: 0, or 2 if no cluster can have these values.

    \b
    Examples:
      glassplate plan --nodes 300 --files-per-node 1e8 --colos 6
      glassplate plan --nodes 300 --files-per-node 1e8 --colos 3 --mirrors 3
      glassplate plan --nodes 24 --files-per-node 5e7 --colos 2 --disk-bytes 16T
      glassplate plan --nodes 24 --files-per-node 5e7 --colos 2 --json
    """
    from capacity.plan import make_plan
    from capacity.scenario import InvalidScenario
    from capacity.unit_costs import load_unit_costs
    from glassplate.cli.views.plan_tables import plan_view

    given = {name: value for name, value in values.items() if value is not None}
    try:
        made = make_plan(Scenario(**given), load_unit_costs())
    except InvalidScenario as error:
        name, _, reason = str(error).partition(": ")
        raise click.UsageError(f"--{name.replace('_', '-')}: {reason}") from None
    if as_json:
        print_json(made.document())
    else:
        print_parts(*plan_view(made.document()))
