"""Plans of moves, and moves under way, as text and tables."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from rich import filesize
from rich.console import RenderableType
from rich.table import Table

from glassplate.cli.views.health_warnings import compact_ranges
from glassplate.cli.views.output import Document, new_table
from runtime.quantities import quantity


def plan_view(plan: Document) -> Iterator[RenderableType]:
    """Yield the moves of a plan by their nodes, the fill that they lead to, and the obstacles."""
    if plan["moves"]:
        count = quantity(len(plan["moves"]), "move")
        yield f"{count}, {filesize.decimal(plan['bytes'])} to copy; {plan['first']} can begin now."
        yield _moves_table(plan["moves"])
        yield _nodes_table(plan["nodes"])
    else:
        yield "No volume has to move."
    for obstacle in plan["obstacles"]:
        yield f"! {obstacle}"


def moves_view(moves: Sequence[Document]) -> Iterator[RenderableType]:
    """Yield the moves under way, one volume a line."""
    if not moves:
        yield "No volume moves."
        return
    table = new_table("Volume", "State", "From", "To", "Copied", "Rate", "Left", "Waits for")
    for each in moves:
        size = "?" if each["bytes"] is None else filesize.decimal(each["bytes"])
        table.add_row(
            str(each["volume"]),
            each["state"],
            ", ".join(each["leaving"]),
            ", ".join(each["joining"]),
            f"{filesize.decimal(each['copied_bytes'])} of {size}",
            _rate(each["bytes_per_second"]),
            _time(each["seconds_left"]),
            each["waits_for"],
        )
    yield table


def _rate(bytes_per_second: float | None) -> str:
    return "" if bytes_per_second is None else f"{filesize.decimal(int(bytes_per_second))}/s"


def _time(seconds: float | None) -> str:
    return "" if seconds is None else str(timedelta(seconds=round(seconds)))


def _moves_table(moves: Sequence[Document]) -> Table:
    by_nodes: dict[tuple[str, str], list[Document]] = {}
    for each in moves:
        by_nodes.setdefault((each["source"], each["target"]), []).append(each)
    table = new_table("From", "To", "Volumes", "Bytes")
    for (source, target), some in sorted(by_nodes.items()):
        numbers = compact_ranges([each["volume"] for each in some])
        size = filesize.decimal(sum(each["bytes"] for each in some))
        table.add_row(source, target, numbers, size)
    return table


def _nodes_table(nodes: Sequence[Document]) -> Table:
    table = new_table("Node", "Now", "After")
    for each in nodes:
        before, after = each["bytes_before"], each["bytes_after"]
        if before != after:
            table.add_row(each["id"], filesize.decimal(before), filesize.decimal(after))
    return table
