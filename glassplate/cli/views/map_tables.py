"""The volume map and its changes as text."""

from collections.abc import Iterator

from glassplate.cli.views.output import Document


def map_lines(state: Document) -> Iterator[str]:
    """Yield the version in force, the nodes that lag behind, and the votes for the next map."""
    reason = f": {state['why']}" if state["why"] else ""
    yield f"Map {state['version']} ({state['digest']}) is in force{reason}."
    if state["lagging"]:
        yield f"Nodes that do not follow it yet: {', '.join(state['lagging'])}."
    for votes in state["votes"]:
        nodes = ", ".join(votes["nodes"])
        yield f"Map {votes['version']} ({votes['digest']}) is kept by {nodes}, which are too few."


def change_lines(change: Document) -> Iterator[str]:
    """Yield each change of a map in one line, and whether it is in force."""
    yield from changed_lines(change)
    if not change["changes"]:
        yield "No changes."
    elif change["applied"]:
        yield f"Map {change['version']} ({change['digest']}) is in force."
    else:
        yield "Nothing was changed. To put it in force, run `glassplate map apply`."


def log_lines(log: Document) -> Iterator[str]:
    """Yield each version of the map in a line, and each of its changes in another one."""
    for each in log["versions"]:
        if each["version"] == 1:
            yield f"1 ({each['digest']})  cluster.toml"
            continue
        yield f"{each['version']} ({each['digest']})  {each['at']}  {each['by']}: {each['why']}"
        if each["changes"] is None:
            yield "    unknown changes: no node that responds has the version before"
        else:
            yield from (f"    {line}" for line in changed_lines(each))
    if not log["is_complete"]:
        yield "No node that responds has the versions before. Start all nodes, and try again."


def changed_lines(change: Document) -> Iterator[str]:
    """Yield each change of a map in one line."""
    for each in change["changes"]:
        if not each["before"]:
            yield f"{each['what']}: new: {each['after']}"
        elif not each["after"]:
            yield f"{each['what']}: removed: {each['before']}"
        else:
            yield f"{each['what']}: {each['before']} -> {each['after']}"
