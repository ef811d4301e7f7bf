"""Revocations: the new version has all that the old one had, or its sizes are made anew."""

import json
import os
import time

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR
from storagenode.protocol.errors import NotFound
from tests.storagemaster.bundles_to_send import sizes_of
from tests.storagemaster.pictures import picture
from tests.storagemaster.uploads.test_bad_uploads import assert_problem
from tests.storagenode.disk.test_store import flip
from volumes.photo_path import Info, PhotoVersion, Variant, render_path

# Within this time the storagemaster responds when nothing has to be waited for.
PATIENCE_SECONDS = 3.0
HOMES = ("east-1", "west-1")


async def revoke(cluster, photo_version):
    """What a revocation is answered with, and the new version."""
    answer = await cluster.master.request("POST", f"/photos/{photo_version}/revoke")
    new = answer.document.get("version")
    return answer, PhotoVersion(photo_version.volume, photo_version.photo, new) if new else None


def original_of(photo_version):
    """The path of a version's original."""
    return render_path(Variant(photo_version, "o", "jpg"))


async def test_a_size_that_no_mirror_in_reach_has_is_made_anew(cluster, photo):
    """Its info would tell of a size that nobody will ever have."""
    size = sizes_of(photo)[0].path
    await cluster.stop_and_notice("west-1")
    cluster.path("east-1", size).unlink()
    answer, new = await revoke(cluster, photo)
    assert answer.status == 200
    assert set(cluster.visible("east-1")) & {render_path(Info(new)), *sizes_paths(new)} == set()
    assert {"east-1", "west-2 for west-1"} <= set(cluster.holders(original_of(new)))
    status = await cluster.master.photo(new)
    assert status.document["state"] == "pending"


def sizes_paths(photo_version):
    """The paths of all files of a bundle."""
    return [file.path for file in sizes_of(photo_version)]


async def test_a_size_that_is_damaged_is_not_given_a_new_name(cluster, photo):
    """It may be the only copy to last. When it is tried again it is known to be damaged."""
    size = sizes_of(photo)[0].path
    await cluster.stop_and_notice("west-1")
    flip(cluster.path("east-1", size))
    answer, _ = await revoke(cluster, photo)
    assert_problem(answer, 503, "unavailable")
    assert (await cluster.master.photo(photo)).status == 200
    answer, new = await revoke(cluster, photo)
    assert answer.status == 200
    assert render_path(Info(new)) not in cluster.visible("east-1")
    assert cluster.files("east-1")[original_of(new)] == picture()


async def test_what_was_damaged_since_it_was_linked_is_not_copied(cluster, photo, monkeypatch):
    """Two names share its bytes, and the digest that they lose."""
    await cluster.stop_and_notice("west-1")
    relink = cluster.stores["east-1"].relink

    def relink_and_rot(*arguments, **options):
        made = relink(*arguments, **options)
        original = cluster.path("east-1", original_of(photo))
        flip(original)
        os.removexattr(original, DIGEST_XATTR)
        return made

    monkeypatch.setattr(cluster.stores["east-1"], "relink", relink_and_rot)
    answer, _ = await revoke(cluster, photo)
    assert_problem(answer, 503, "unavailable")
    owed = cluster.hidden("west-2", ".hints")
    assert not any(path.endswith("_o.jpg") for path in owed)


@pytest.mark.parametrize("action", ["revoke", "regenerate"])
async def test_refusal_of_the_only_reachable_mirror_fails_at_once(
    cluster, photo, action, impatience, monkeypatch
):
    """The handoff node does not wait for a link that never comes, and still accepts photos."""
    assert impatience is None
    await cluster.stop_and_notice("west-1")
    monkeypatch.setattr(cluster.stores["east-1"], "relink", refuse_to_relink)
    started = time.monotonic()
    if action == "revoke":
        response, _ = await revoke(cluster, photo)
    else:
        body = json.dumps({"photo": str(photo), "recipe": "another"}).encode()
        response = await cluster.master.request("POST", "/regenerations", data=body)
    assert_problem(response, 503, "unavailable")
    assert time.monotonic() - started < PATIENCE_SECONDS
    up = {node for node, view in cluster.master.fleet.view().items() if view.accepts_new_photos}
    assert up == {"east-1", "east-2", "west-2"}


def refuse_to_relink(*_, **__):
    """Raise what a mirror without the original raises."""
    raise NotFound("no original here")
