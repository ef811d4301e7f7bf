"""What needs attention in the state of a cluster, and ranges of numbers."""

import copy

import pytest

from glassplate.cli.views.health_warnings import compact_ranges, list_warnings

NODE = {
    "id": "east-1",
    "colo": "east",
    "up": True,
    "reason": "",
    "accepts_new_photos": True,
}
WELL = {
    "nodes": [NODE],
    "volumes": [{"number": n, "mirrors": ["a", "b"], "mirrors_up": ["a", "b"]} for n in (1, 2, 3)],
    "pending_hints": 0,
    "queues": {"new": 7, "retry": 0},
    "alerts": [],
    "edges": [{"id": "east-nginx", "up": True}],
}


def test_nothing_needs_attention_when_all_is_well():
    """A queue with jobs in it is a queue at work."""
    assert list_warnings(WELL) == []


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("nodes", 0, "up"), False, "node east-1 in east is down: no answer"),
        (("volumes", 0, "mirrors_up"), [], "volumes 1: no mirror is up"),
        (("volumes", 1, "mirrors_up"), ["b"], "volumes 2: not every mirror is up"),
        (("pending_hints",), 4, "files held for nodes that have yet to take them: 4"),
        (("alerts",), ["the queue is away"], "the queue is away"),
        (("edges", 0, "up"), False, "edge east-nginx does not answer"),
    ],
    ids=lambda each: ".".join(map(str, each)) if isinstance(each, tuple) else "",
)
def test_one_line_for_each_thing_that_is_wrong(path, value, line):
    """Each fault by itself, and nothing else."""
    document = copy.deepcopy(WELL)
    at = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    (found,) = list_warnings(document)
    assert found.startswith(line)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([5], "5"), ([2, 1], "1-2"), ([1, 2, 3, 7, 9, 10], "1-3, 7, 9-10")],
)
def test_ranges_are_compact(numbers, text):
    """Neighbours stand together."""
    assert compact_ranges(numbers) == text
