"""`glassplate audit`: entries as a table and as JSON, and the verification of the log."""

import json

import pytest


@pytest.fixture(name="deleted")
def _deleted(client, receipt):
    """Delete a photo, and return it as VOLUME/PHOTO."""
    photo = receipt.reference.rpartition("/")[0]
    client.delete(photo)
    return photo


def test_show_prints_the_entries_of_a_photo(glassplate, deleted):
    """Without a day, the whole log is searched."""
    result = glassplate("audit", "show", "--photo", deleted)
    assert result.exit_code == 0
    assert "delete" in result.stdout
    assert deleted in result.stdout


def test_json_has_the_entries(glassplate, client, deleted):
    """It is the response of the client."""
    result = glassplate("audit", "show", "--photo", deleted, "--json")
    document = json.loads(result.stdout)
    assert document == client.audit(since="2000-01-01", photo=deleted, limit=50)
    (entry,) = document["entries"]
    assert (entry["act"], entry["target"], entry["result"]) == ("delete", deleted, "done")


def test_a_day_without_entries(glassplate):
    """The table is empty."""
    result = glassplate("audit", "show", "--day", "2000-01-01", "--json")
    assert json.loads(result.stdout)["entries"] == []


@pytest.mark.parametrize(
    "arguments", [["--day", "yesterday"], ["--day", "2026-01-01", "--since", "2026-01-01"]]
)
def test_bad_days_are_refused(glassplate, arguments):
    """Nothing is requested."""
    assert glassplate("audit", "show", *arguments).exit_code == 2


def test_verify_finds_an_unreadable_line(glassplate, cluster, deleted):
    """It names the node, and the exit status is 1."""
    assert deleted
    sound = glassplate("audit", "verify")
    assert sound.exit_code == 0, sound.output
    assert " 0 findings" in sound.stdout
    file = next(cluster.root.glob("*/.audit/*.acts.jsonl"))
    before = file.read_bytes()
    try:
        file.write_bytes(before + b"{}\n")
        result = glassplate("audit", "verify", "--json")
    finally:
        file.write_bytes(before)
    (finding,) = json.loads(result.stdout)["findings"]
    assert (result.exit_code, finding["fault"]) == (1, "unreadable")
    assert finding["node"] == file.relative_to(cluster.root).parts[0]
