"""Plans and repairs of volumes as text and tables."""

from collections.abc import Iterator, Sequence

from rich import filesize
from rich.console import RenderableType
from rich.table import Table

from glassplate.cli.views.output import Document, new_table

STEPS_SHOWN_MAX = 200


def plan_view(plan: Document) -> Iterator[RenderableType]:
    """Yield the plan of one volume."""
    for node in plan["strays"]:
        yield f"Volume {plan['volume']}: {node} holds it too, and is not one of its mirrors."
    if plan["equal"]:
        yield f"Volume {plan['volume']}: its mirrors are equal."
        return
    size = filesize.decimal(plan["copy_bytes"])
    count = len(plan["steps"])
    yield f"Volume {plan['volume']}: {count} step{'' if count == 1 else 's'}, {size} to copy"
    yield from _details(plan, plan["steps"])


def repair_view(repair: Document) -> Iterator[RenderableType]:
    """Yield the result of a repair of one volume, and the failed steps with their reasons."""
    size = filesize.decimal(repair["copied_bytes"])
    state = "its mirrors are equal" if repair["equal"] else "its mirrors are not equal yet"
    yield f"Volume {repair['volume']}: {repair['done']} done, {size} copied; {state}."
    yield from _details(repair, repair["failed"])


def _details(document: Document, steps: Sequence[Document]) -> Iterator[RenderableType]:
    for node in document["unreachable"]:
        yield f"  {node} is unreachable; its files are unknown"
    if steps:
        yield _steps_table(steps)
    if len(steps) > STEPS_SHOWN_MAX:
        yield f"  and {len(steps) - STEPS_SHOWN_MAX} more; --json lists all"
    for conflict in document["conflicts"]:
        originals = ", ".join(f"{each['node']} {each['sha256']}" for each in conflict["originals"])
        yield f"  {conflict['reference']} has different originals: {originals}"


def _steps_table(steps: Sequence[Document]) -> Table:
    has_reasons = any("reason" in step for step in steps)
    table = new_table(
        "Action", "Node", "Source", "Bytes", "Path", *(["Reason"] if has_reasons else [])
    )
    for step in steps[:STEPS_SHOWN_MAX]:
        size = filesize.decimal(step["bytes"]) if step["bytes"] else ""
        reason = [step["reason"]] if has_reasons else []
        table.add_row(step["action"], step["node"], step["source"], size, step["path"], *reason)
    return table
