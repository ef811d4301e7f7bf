"""`glassplate scrub`, against a real cluster."""

import json

import pytest

from glassplate import Refused, UsageError
from glassplate.cli.commands.scrub import is_done
from glassplate.cli.views.scrub_tables import age, percent_done

KEYS = {
    "node",
    "colo",
    "files",
    "bytes",
    "corrupt",
    "unverified",
    "volume",
    "shards",
    "shard",
    "shards_total",
    "started_seconds",
    "completed_seconds",
    "verified_since_seconds",
}


def test_scrubs_of_all_nodes_are_shown(glassplate, all_nodes):
    """Each node has a row, and the JSON document has the same nodes."""
    shown = glassplate("scrub")
    assert shown.exit_code == 0
    assert all(node in shown.stdout for node in all_nodes)
    document = json.loads(glassplate("scrub", "--json").stdout)
    assert [node["node"] for node in document["nodes"]] == list(all_nodes)
    assert all(node.keys() == KEYS for node in document["nodes"])


def test_waiting_scrub_finds_corrupt_files(glassplate, client, cluster, original, corrupt):
    """A corrupt file is quarantined and named, and a repair replaces it."""
    corrupt("east-2", original)
    result = glassplate("scrub", "--node", "east-2", "--wait")
    assert result.exit_code == 1
    assert f"! east-2 quarantined a corrupt file: {original}" in result.stdout
    assert not (cluster.root / "east-2" / original).exists()
    assert client.repair(3)["equal"]
    again = json.loads(glassplate("scrub", "--node", "east-2", "--wait", "--json").stdout)
    (node,) = again["nodes"]
    assert node["corrupt"] == []
    assert percent_done(node) == 100


def test_unknown_and_unreachable_nodes_are_reported(glassplate, client, cluster):
    """Both make the exit status 1."""
    result = glassplate("scrub", "--node", "east-9")
    assert result.exit_code == 1
    assert "unknown node 'east-9'" in result.stderr
    with pytest.raises((UsageError, Refused)):
        client.scrub("east-9")
    with cluster.without("east-1"):
        result = glassplate("scrub", "--wait", "--node", "east-1")
    assert result.exit_code == 1
    assert "east-1 is unreachable" in result.stderr


def test_a_pass_that_was_running_does_not_count():
    """Only a completed pass that started after the request counts."""
    before = {"started_seconds": 10.0, "completed_seconds": 0.0}
    assert not is_done({"started_seconds": 10.0, "completed_seconds": 12.0}, before)
    assert not is_done({"started_seconds": 13.0, "completed_seconds": 12.0}, before)
    assert is_done({"started_seconds": 13.0, "completed_seconds": 14.0}, before)


def test_age_of_a_pass_is_in_words():
    """The age is "none", minutes, or hours."""
    assert age(0, now_seconds=100) == "none since start"
    assert age(40, now_seconds=100) == "1 min ago"
    assert age(100, now_seconds=7300) == "2 h ago"


def test_bars_are_shown_at_a_terminal(at_terminal):
    """Each node with a running pass has a bar."""
    shown, status = at_terminal("scrub", "--wait", "--node", "west-1")
    assert status == 0
    assert "read, 0 corrupt" in shown
