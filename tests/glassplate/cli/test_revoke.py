"""`glassplate revoke`, against a real cluster."""

import json

import pytest

from glassplate import NotFound, PhotoGone, Revocation
from glassplate.cli.commands.revoke import _pending_lines

NEVER = "3/01jd3x8m2c9qp4k7/3fz8qd"


def test_revoked_photo_has_new_urls_only(client, receipt, photo):
    """The new reference has the same bytes, and the old one stays invalid."""
    revocation = client.revoke(receipt.reference)
    assert revocation.revoked == receipt.version
    assert client.get(revocation.reference) == photo
    assert client.revoke(receipt.reference).reference == revocation.reference
    with pytest.raises(PhotoGone):
        client.info(receipt.reference)
    with pytest.raises(NotFound):
        client.revoke(NEVER)


def test_revoke_prints_the_new_reference_and_urls(glassplate, client, receipt):
    """A repetition prints the same reference and URLs."""
    for _ in range(2):
        result = glassplate("revoke", receipt.reference, "--yes")
        assert result.exit_code == 0
        first, *urls = result.stdout.splitlines()
        reference = first.rpartition(" ")[2]
        assert urls == [f"  o  {client.info(reference).urls['o']}"]


def test_revoke_json_has_these_keys(glassplate, receipt):
    """The document has the fields of the revocation and the new reference."""
    document = json.loads(glassplate("revoke", receipt.reference, "--yes", "--json").stdout)
    assert document.keys() == {"reference", *Revocation.__dataclass_fields__}


def test_revoke_requires_yes_without_a_terminal(glassplate, receipt, client):
    """Without a terminal and --yes, nothing is changed."""
    result = glassplate("revoke", receipt.reference)
    assert result.exit_code == 2
    assert "use --yes" in result.stderr
    assert client.info(receipt.reference).state == "pending"


def test_revoke_prompts_at_a_terminal(at_terminal, client, receipt):
    """The prompt names the consequences, and "n" changes nothing."""
    shown, status = at_terminal("revoke", receipt.reference, typed="n\n")
    assert status == 1
    assert "Every URL of this version becomes invalid permanently" in shown
    assert client.info(receipt.reference).state == "pending"


def test_revoke_lists_pending_edges_and_mirrors():
    """Purged edges, unreachable edges, and pending mirrors have a line each."""
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
    purged, unreachable, pending = _pending_lines(revocation)
    assert purged == "Purged edges: east-edge"
    assert "west-edge" in unreachable
    assert "west-1" in pending
