"""`glassplate find`, against a real cluster."""

import json

import pytest

from glassplate import BadReference

NEVER = "01jd3x8m2c9qp4k7"


def places(document):
    """The node, the part of it and the path of everything that was found."""
    return {(found["node"], found["location"], found["path"]) for found in document["files"]}


def test_files_at_home_are_found(glassplate, receipt, original):
    """By id or by reference; JSON says so in full."""
    document = json.loads(glassplate("find", receipt.photo, "--json").stdout)
    assert document.keys() == {"photo", "files", "unreachable"}
    assert places(document) == {("east-2", "live", original), ("west-2", "live", original)}
    assert document["files"][0].keys() == {"node", "colo", "where", "hint_for", "path"}
    shown = glassplate("find", receipt.reference)
    assert shown.exit_code == 0
    assert shown.stdout.count(original) == 2


def test_trash_and_quarantine_are_searched(client, receipt, original, corrupt):
    """What was deleted is in the trash, beside its tombstone; what was corrupt is set aside."""
    corrupt("east-2", original)
    client.get(receipt.urls["o"])
    client.repair(3)
    client.delete(f"{receipt.volume}/{receipt.photo}")
    found = places(client.find(receipt.photo))
    wheres = sorted((node, where) for node, where, _ in found)
    assert wheres == [
        ("east-2", "live"),
        ("east-2", "quarantine"),
        ("east-2", "trash"),
        ("west-2", "live"),
        ("west-2", "trash"),
    ]


def test_owed_copies_are_found_and_silent_nodes_named(glassplate, cluster, client, photo):
    """A copy that is held for a mirror that is down says for whom."""
    with cluster.without("west-2"):
        receipt = client.put(photo, volume=3)
        document = json.loads(glassplate("find", receipt.photo, "--json").stdout)
        owed = [found for found in document["files"] if found["location"] == "hint"]
        assert [found["hint_for"] for found in owed] == ["west-2"]
        assert document["unreachable"].keys() == {"west-2"}
        shown = glassplate("find", receipt.photo)
        assert shown.exit_code == 1
        assert "hint for west-2" in shown.stdout
        assert "west-2 could not be asked" in shown.stderr


def test_nothing_is_said_to_be_nothing(glassplate, client):
    """With exit status 1; what is no photo is wrong usage."""
    result = glassplate("find", NEVER)
    assert result.exit_code == 1
    assert "No node has anything" in result.stderr
    assert glassplate("find", "cat.jpg").exit_code == 2
    with pytest.raises(BadReference):
        client.find("cat.jpg")
