"""The tables of `glassplate status`: nothing folds at 80 columns."""

import io

import pytest
from rich.console import Console

from glassplate.cli.views.status_tables import status_view

NODES = ("east-1", "east-2", "west-1", "west-2")


@pytest.fixture(name="document")
def _document():
    """Return the status of the cluster of `glassplate up`, with wide values."""
    return {
        "cluster": "local",
        "master": "east-master",
        "nodes": [
            {
                "id": node,
                "colo": node.split("-")[0],
                "up": True,
                "read_up": False,
                "reason": "the disk is full",
                "accepts_new_photos": False,
                "bytes": 999_900_000_000,
                "free_bytes": 999_900_000_000,
                "fill_share": 1.0,
                "days_to_full": 9_998.0,
                "pending_hints": 123_456,
            }
            for node in NODES
        ],
        "colos": [
            {"id": "east", "fill_share": 0.414, "days_to_full": 119.6},
            {"id": "west", "fill_share": 0.0, "days_to_full": None},
        ],
        "volumes": [
            {
                "number": number,
                "state": "open",
                "mirrors": [east, west, "cold-1"],
                "mirrors_up": [],
                "cold_nodes": ["cold-1"],
                "photos": 1_000_000 * number,
                "bytes": 2_500_000_000 * number,
            }
            for number, (east, west) in enumerate(zip(NODES[:2], NODES[2:], strict=True), 1)
        ],
        "pending_hints": 123_456,
        "tls": {"internal": False},
        "repair": {
            "volumes_left": 12_345,
            "steps_left": 999_999,
            "bytes_left": 999_900_000_000,
            "seconds_left": 1_234_567.8,
        },
        "queues": {"new": 123_456, "retry": 123_456, "regenerate": 123_456},
        "edges": [
            {"id": "east-nginx", "colo": "east", "kind": "nginx", "up": True, "purge_up": True},
            {"id": "varnish", "colo": "east", "kind": "varnish", "up": False, "purge_up": False},
        ],
    }


def test_nothing_folds_at_80_columns(document):
    """Each node, volume, and edge is one line of at most 80 columns."""
    file = io.StringIO()
    Console(file=file, width=80).print(status_view(document, ["edge varnish is down"]))
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert max(map(len, lines)) <= 80
    # Five titles and headings, four nodes, two colos, two volumes, four counts, TLS, two edges, a
    # warning.
    assert len(list(filter(None, lines))) == 20
    assert sum(" 100%  > 1 year " in line for line in lines) == 4
    assert "Photos: 3,000,000, 7.5 GB on each mirror" in lines
    assert sum("offloaded to cold-1" in line and line.endswith("(down)") for line in lines) == 2
    assert lines[-1] == "! edge varnish is down"


@pytest.mark.parametrize(
    ("days", "of_colo", "of_node"),
    [
        (119.6, "full in 120 days at the rate of the last week", "120 days"),
        (0.0, "full in 0 days at the rate of the last week", "0 days"),
        (9_999.0, "it does not fill", "never"),
        (None, "not enough history yet to say when it is full", "?"),
    ],
)
def test_fill_and_days_to_full_of_each_colo_and_node(document, days, of_colo, of_node):
    """Measured over the last week, and unknown in the first day."""
    document["colos"][0]["days_to_full"] = document["nodes"][0]["days_to_full"] = days
    file = io.StringIO()
    Console(file=file, width=80).print(status_view(document, []))
    assert f"Colo east: 41% used; {of_colo}" in file.getvalue()
    row = next(line for line in file.getvalue().splitlines() if " east-1 " in line)
    assert row.split("100%")[1].strip().startswith(of_node)


def test_photos_are_not_counted_before_all_volumes_are_compared(document):
    """A part of them would look like a loss."""
    document["volumes"][0] |= {"photos": None, "bytes": None}
    file = io.StringIO()
    Console(file=file, width=80).print(status_view(document, []))
    assert "Photos: not known until all volumes are compared" in file.getvalue()


@pytest.mark.parametrize(
    ("repair", "shown"),
    [
        ((0, 0, 0, 0.0), "Repair: nothing to copy"),
        ((1, 5, 2_000, None), "Repair: 1 volume left, 2.0 kB, time not known yet"),
        ((3, 5, 2_000_000, 61.2), "Repair: 3 volumes left, 2.0 MB, about 0:01:02"),
        ((12, 5, 0, 90_000.0), "Repair: 12 volumes left, 0 bytes, about 1 day, 1:00:00"),
    ],
)
def test_the_repair_has_what_is_left_and_how_long_it_takes(document, repair, shown):
    """The time follows from the repair's own rate, once it has one."""
    names = ("volumes_left", "steps_left", "bytes_left", "seconds_left")
    document["repair"] = dict(zip(names, repair, strict=True))
    file = io.StringIO()
    Console(file=file, width=80).print(status_view(document, []))
    assert shown in [line.rstrip() for line in file.getvalue().splitlines()]


def test_a_healthy_cluster_is_reported(document):
    """A cluster without warnings says so in its last line."""
    file = io.StringIO()
    Console(file=file, width=80).print(status_view({**document, "queues": None}, []))
    assert "Queues: unavailable" in file.getvalue()
    assert file.getvalue().splitlines()[-1].rstrip() == "No warnings."
