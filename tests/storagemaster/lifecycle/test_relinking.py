"""Relinking: how revocation and regeneration share it when mirrors fail."""

import json
import time

import pytest

from storagenode.protocol.errors import NotFound
from tests.storagemaster.uploads.test_bad_uploads import assert_problem

# A response that waits for nothing arrives within this time; ALL_IDLE_SECONDS is much longer.
RESPONSE_SECONDS = 3.0


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("action", ["revoke", "regenerate"])
async def test_refusal_of_the_only_reachable_mirror_fails_at_once(
    cluster, photo, action, monkeypatch
):
    """The handoff node does not wait for a link that never comes, and still accepts photos."""
    await cluster.stop_and_notice("west-1")
    monkeypatch.setattr(cluster.stores["east-1"], "relink", refuse_to_relink)
    started = time.monotonic()
    if action == "revoke":
        response = await cluster.master.revoke(photo)
    else:
        body = json.dumps({"photo": str(photo), "recipe": "another"}).encode()
        response = await cluster.master.request("POST", "/regenerations", data=body)
    assert_problem(response, 503, "unavailable")
    assert time.monotonic() - started < RESPONSE_SECONDS
    up = {node for node, view in cluster.master.fleet.view().items() if view.accepts_new_photos}
    assert up == {"east-1", "east-2", "west-2"}


def refuse_to_relink(*_, **__):
    """Raise what a mirror without the original raises."""
    raise NotFound("no original here")
