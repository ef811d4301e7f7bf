"""`glassplate revoke`, against a real cluster."""

import json

import pytest

from glassplate import NotFound, PhotoGone, Revocation
from glassplate.cli.commands.revoke import _what_is_left

NEVER = "3/01jd3x8m2c9qp4k7/3fz8qd"


@pytest.fixture(name="receipt")
def _receipt(client, photo):
    """A photo in the cluster."""
    return client.put(photo)


def test_revoked_photo_has_new_urls_only(client, receipt, photo):
    """The bytes are the same under the new reference; the old one is gone, and stays so."""
    revocation = client.revoke(receipt.reference)
    assert revocation.revoked == receipt.version
    assert client.get(revocation.reference) == photo
    assert client.revoke(receipt.reference).reference == revocation.reference
    with pytest.raises(PhotoGone):
        client.info(receipt.reference)
    with pytest.raises(NotFound):
        client.revoke(NEVER)


def test_revoke_prints_the_new_reference_and_urls(glassplate, client, receipt):
    """And the same again when it is done again."""
    for _ in range(2):
        result = glassplate("revoke", receipt.reference, "--yes")
        assert result.exit_code == 0
        first, *urls = result.stdout.splitlines()
        reference = first.rpartition(" ")[2]
        assert urls == [f"  o  {client.info(reference).urls['o']}"]


def test_revoke_json_has_these_keys(glassplate, receipt):
    """What the master answers, and the reference."""
    document = json.loads(glassplate("revoke", receipt.reference, "--yes", "--json").stdout)
    assert document.keys() == {"reference", *Revocation.__dataclass_fields__}


def test_revoke_asks_nobody_who_is_not_there(glassplate, receipt, client):
    """Without a terminal, --yes has to be said; nothing is done."""
    result = glassplate("revoke", receipt.reference)
    assert result.exit_code == 2
    assert "say --yes" in result.stderr
    assert client.info(receipt.reference).state == "pending"


def test_revoke_asks_at_a_terminal(at_terminal, client, receipt):
    """It says what will break; no is no."""
    shown, status = at_terminal("revoke", receipt.reference, typed="n\n")
    assert status == 1
    assert "Every URL of this version dies for ever" in shown
    assert client.info(receipt.reference).state == "pending"


def test_revoke_names_the_edges_that_remember():
    """Those that answered, and those that may still serve the old URLs."""
    revocation = Revocation(
        volume=3,
        photo="01jd3x8m2c9qp4k7",
        version="3fz8qd",
        revoked="7fz8qd",
        urls={},
        pending_mirrors=("west-1",),
        purged=("east-edge",),
        purge_pending=("west-edge",),
    )
    forgotten, remembered, owed = _what_is_left(revocation)
    assert forgotten == "Forgotten by the edges: east-edge"
    assert "west-edge" in remembered
    assert "west-1" in owed
