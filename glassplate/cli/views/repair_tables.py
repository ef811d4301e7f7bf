"""Plans and repairs of volumes as text and tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import filesize
from rich.console import RenderableType
from rich.table import Table

Document = Mapping[str, Any]

STEPS_SHOWN_MAX = 200


def plan_view(plan: Document) -> Iterator[RenderableType]:
    """What would be done for one volume."""
    if plan["equal"]:
        yield f"Volume {plan['volume']}: its mirrors are equal."
        return
    size = filesize.decimal(plan["copy_bytes"])
    yield f"Volume {plan['volume']}: {count(plan['steps'], 'step')}, {size} to copy"
    yield from _left(plan, plan["steps"])


def repair_view(repair: Document) -> Iterator[RenderableType]:
    """What was done for one volume, and what was not and why."""
    size = filesize.decimal(repair["copied_bytes"])
    state = "its mirrors are equal" if repair["equal"] else "its mirrors are not equal yet"
    yield f"Volume {repair['volume']}: {repair['done']} done, {size} copied; {state}."
    yield from _left(repair, repair["failed"])


def count(things: Sequence[object], noun: str) -> str:
    """How many things, in words.

    >>> count([1, 2], "step")
    '2 steps'
    """
    return f"{len(things)} {noun}" if len(things) == 1 else f"{len(things)} {noun}s"


def _left(document: Document, steps: Sequence[Document]) -> Iterator[RenderableType]:
    for node in document["unreachable"]:
        yield f"  {node} cannot be asked, so nothing is known of what it lacks"
    if steps:
        yield _steps_table(steps)
    if len(steps) > STEPS_SHOWN_MAX:
        yield f"  and {len(steps) - STEPS_SHOWN_MAX} more; --json lists all"
    for conflict in document["conflicts"]:
        digests = ", ".join(f"{node} {digest}" for node, digest in conflict["digests"].items())
        yield f"  {conflict['path']} has different bytes, which a person must settle: {digests}"


def _steps_table(steps: Sequence[Document]) -> Table:
    has_reasons = any("reason" in step for step in steps)
    table = Table(box=None, pad_edge=True, header_style="bold")
    for name in ("Do", "On", "From", "Bytes", "Path", *(["Because"] if has_reasons else [])):
        table.add_column(name, overflow="fold")
    for step in steps[:STEPS_SHOWN_MAX]:
        size = filesize.decimal(step["bytes"]) if step["bytes"] else ""
        reason = [step["reason"]] if has_reasons else []
        table.add_row(step["action"], step["node"], step["source"], size, step["path"], *reason)
    return table
