"""Warnings about the state of a cluster, and ranges of numbers."""

import copy

import pytest

from glassplate.cli.views.health_warnings import compact_ranges, list_warnings

NODE = {
    "id": "east-1",
    "colo": "east",
    "up": True,
    "read_up": True,
    "reason": "",
    "accepts_new_photos": True,
}
HEALTHY = {
    "nodes": [NODE],
    "volumes": [{"number": n, "mirrors": ["a", "b"], "mirrors_readable": ["a"]} for n in (1, 2, 3)],
    "waits": [],
    "pending_hints": 0,
    "queues": {"new": 7, "retry": 0},
    "alerts": [],
    "edges": [{"id": "east-nginx", "up": True, "purge_up": True}],
}


def test_a_healthy_cluster_has_no_warnings():
    """Waiting jobs are not a fault."""
    assert list_warnings(HEALTHY) == []


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("nodes", 0, "up"), False, "node east-1 in east is down: no response"),
        (("volumes", 0, "mirrors_readable"), [], "volume 1: no mirror can be read"),
        (("nodes", 0, "read_up"), False, "node east-1 in east does not respond on its read port"),
        (("waits",), [{"volumes": [1, 2], "for": "b"}], "volumes 1-2 wait for b"),
        (("waits",), [{"volumes": [3], "for": "b"}], "volume 3 waits for b"),
        (("pending_hints",), 4, "hints that wait for delivery: 4"),
        (("alerts",), ["the queue server is down"], "the queue server is down"),
        (("edges", 0, "up"), False, "edge east-nginx does not respond to viewers"),
        (("edges", 0, "purge_up"), False, "edge east-nginx does not respond on its purge port"),
    ],
    ids=lambda each: ".".join(map(str, each)) if isinstance(each, tuple) else "",
)
def test_each_fault_has_one_warning(path, value, line):
    """A document with one fault has exactly the warning of this fault."""
    document = copy.deepcopy(HEALTHY)
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
    """Consecutive numbers become a range."""
    assert compact_ranges(numbers) == text
