"""`glassplate find`, against a real cluster."""

import json

import pytest

from glassplate import BadReference

NEVER = "01jd3x8m2c9qp4k7"


def places(document):
    """Return the node, location, and path of every found file."""
    return {(found["node"], found["location"], found["path"]) for found in document["files"]}


def test_live_files_are_found(glassplate, receipt, original):
    """A photo is found by its id or reference."""
    document = json.loads(glassplate("find", receipt.photo, "--json").stdout)
    assert document.keys() == {"photo", "files", "unreachable"}
    assert places(document) == {("east-2", "live", original), ("west-2", "live", original)}
    assert document["files"][0].keys() == {"node", "colo", "location", "hint_for", "path"}
    shown = glassplate("find", receipt.reference)
    assert shown.exit_code == 0
    assert shown.stdout.count(original) == 2


def test_trash_and_quarantine_are_searched(client, receipt, original, corrupt):
    """Deleted files are in the trash, and corrupt ones in quarantine."""
    corrupt("east-2", original)
    client.get(receipt.urls["o"])
    client.repair(3)
    client.delete(f"{receipt.volume}/{receipt.photo}")
    found = places(client.find(receipt.photo))
    locations = sorted((node, location) for node, location, _ in found)
    assert locations == [
        ("east-2", "live"),
        ("east-2", "quarantine"),
        ("east-2", "trash"),
        ("west-2", "live"),
        ("west-2", "trash"),
    ]


def test_hints_are_found_and_unreachable_nodes_named(glassplate, cluster, client, photo):
    """A hint names the mirror that is down."""
    with cluster.without("west-2"):
        receipt = client.put(photo, volume=3)
        document = json.loads(glassplate("find", receipt.photo, "--json").stdout)
        hints = [found for found in document["files"] if found["location"] == "hint"]
        assert [found["hint_for"] for found in hints] == ["west-2"]
        assert document["unreachable"].keys() == {"west-2"}
        shown = glassplate("find", receipt.photo)
        assert shown.exit_code == 1
        assert "hint for west-2" in shown.stdout
        assert "west-2 is unreachable" in shown.stderr


def test_an_unknown_photo_is_reported(glassplate, client):
    """The exit status is 1 for an unknown photo, and 2 for an invalid id."""
    result = glassplate("find", NEVER)
    assert result.exit_code == 1
    assert "No node has a file" in result.stderr
    assert glassplate("find", "cat.jpg").exit_code == 2
    with pytest.raises(BadReference):
        client.find("cat.jpg")
