"""Capacity plans as tables."""

from collections.abc import Iterator

from rich.console import RenderableType

from glassplate.cli.views.output import Document, new_table

_HOURS_SHOWN_MAX = 96
_LIMITS = {"node": "node", "repair_budget": "repair budget"}


def plan_view(plan: Document) -> Iterator[RenderableType]:
    """Yield the figures of a plan, and where its unit costs are from."""
    table = new_table("Figure", "Value")
    for figure, value in plan_rows(plan):
        table.add_row(figure, value)
    yield table
    yield ""
    yield f"Unit costs of: {plan['unit_costs']['machine']}"
    yield "Failures are assumed, and independent. See docs/scale.md."


def plan_rows(plan: Document) -> Iterator[tuple[str, str]]:
    """Yield each figure of a plan with its value as text."""
    capacity, rebuild = plan["capacity"], plan["rebuild"]
    yield "photos", f"{capacity['photos']:,}"
    yield "stored, all mirrors", _format_bytes(capacity["stored_bytes"])
    yield "filled", f"{capacity['fill_share']:.0%} of {_format_bytes(capacity['fillable_bytes'])}"
    yield "volumes of a node", f"{capacity['volumes_per_node']:.0f}"
    yield "nodes, N + M", f"{capacity['nodes_needed']} + {capacity['spare_nodes']}"
    fits = "yes" if capacity["colo_can_be_spared"] else "no"
    yield "copies of a lost colo fit on the others", fits
    disk = _format_rebuild(rebuild["disk_hours"], rebuild["limited_by"])
    colo = _format_rebuild(rebuild["colo_hours"], rebuild["colo_limited_by"])
    yield "a lost disk is full again after", disk
    yield "all disks of a colo are full again after", colo
    durability = plan["durability"]
    years = durability["years"]
    chance, share = durability["chance_of_loss"], durability["lost_share"]
    if durability["years_with_loss"]:
        yield "chance of any loss in a year", _format_estimate(chance)
        yield "share of photos lost in a year", _format_estimate(share)
    else:
        none = f"below {chance['high']:.1g} (none in {years:,} years)"
        yield "chance of any loss in a year", none
        yield "share of photos lost in a year", f"below {share['high']:.1g}"
    background = plan["background"]
    yield "a pass of the scrub", f"{background['scrub_days']:.0f} days"
    for cost in background["daily"]:
        yield f"{cost['task']}, each node", f"{cost['core_share']:.2%} of a core"
    restart = background["restart_processor_seconds"]
    yield "restart of a node, processor time", f"{restart:.0f} s"


def _format_rebuild(hours: float, limit: str) -> str:
    time = f"{hours:.0f} hours" if hours < _HOURS_SHOWN_MAX else f"{hours / 24:.0f} days"
    return f"{time} ({_LIMITS[limit]})"


def _format_estimate(estimate: Document) -> str:
    return f"{estimate['mean']:.2g} ({estimate['low']:.2g} to {estimate['high']:.2g})"


def _format_bytes(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.4g} PB"
