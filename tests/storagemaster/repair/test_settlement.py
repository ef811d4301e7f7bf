"""Settlement: two photos with one Idempotency-Key, stored on both sides of a cut, become one."""

import itertools
import os

import pytest

from storagemaster.repair.settlement import original_that_stays
from storagemaster.repair.steps import Conflict, HeldOriginal
from storagenode.disk.filesystem import DIGEST_XATTR
from storagenode.protocol.layout import SETTLED
from tests.storagemaster.bundles_to_send import sizes_of
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import keys_of
from tests.storagenode.disk.test_store import flip
from volumes.photo_path import PhotoVersion, Variant, render_path

OF = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
JPEG, PNG = picture(), picture(file_format="PNG")
(KEY,) = keys_of(1, count=1)


def held(node, ext, *, hint_for=None, digest="d"):
    """Return an original on a node."""
    return HeldOriginal(node, Variant(OF, "o", ext), digest, 10, hint_for)


@pytest.mark.parametrize(
    ("originals", "stays"),
    [
        ([held("east", "jpg"), held("west", "png")], "jpg"),
        ([held("east", "png"), held("west", "jpg")], "png"),
        ([held("east", "jpg"), held("west", "png"), held("x", "png", hint_for="east")], "png"),
        (
            [
                held("east", "jpg"),
                held("y", "jpg", hint_for="west"),
                held("west", "png"),
                held("x", "png", hint_for="east"),
            ],
            "jpg",
        ),
        ([held("east", "jpg"), held("west", "png"), held("north", "png")], "png"),
        ([held("east", "jpg"), held("west", "png"), held("z", "png", hint_for="left")], "png"),
    ],
    ids=[
        "first mirror",
        "whatever format",
        "two copies",
        "two copies each",
        "three mirrors",
        "a hint for a node that left",
    ],
)
def test_the_original_with_more_copies_stays_then_that_of_the_first_mirror(originals, stays):
    """The order in which the nodes are listed does not matter, nor does any clock."""
    for order in itertools.permutations(originals):
        assert original_that_stays(order, ["east", "west", "north"]).file.ext == stays


def test_originals_of_one_format_differ_by_digest():
    """The copy to take is that of the first mirror."""
    originals = [held("west", "jpg", digest="a"), held("east", "jpg", digest="b")]
    assert original_that_stays(originals, ["east", "west"]).digest == "b"


async def upload_during_a_cut(cluster):
    """Upload two photos with one key, one in each colo; return the receipts."""
    other = await cluster.another_master()
    for master, colo in ((cluster.master, "west"), (other, "east")):
        for number in (1, 2):
            master.fleet.mark_down(f"{colo}-{number}", "cut off")
    return (
        await cluster.master.upload(JPEG, key=KEY),
        await other.upload(PNG, key=KEY),
    )


async def settle(cluster):
    """Run the passes of a storagemaster after a cut, and return the alerts."""
    await cluster.poll()
    await cluster.master.deliver_hints()
    await cluster.master.request("POST", "/repairs/1")
    await cluster.master.deliver_hints()
    await cluster.poll()
    return (await cluster.master.request("GET", "/status")).document["alerts"]


def files_of_mirrors(cluster):
    """Return the paths and bytes of the live files on east-1 and west-1."""
    return [
        {path: data for path, data in cluster.files(node).items() if not path.startswith(".")}
        for node in ("east-1", "west-1")
    ]


async def test_both_sides_of_a_cut_acknowledge_one_reference(cluster):
    """After the cut one photo stays, the other is in quarantine, and an alert names them."""
    east, west = await upload_during_a_cut(cluster)
    assert (east.status, west.status) == (201, 201)
    assert east.version == west.version
    alerts = await settle(cluster)
    assert files_of_mirrors(cluster) == [{east.original: JPEG}] * 2
    everything = [data for files in cluster.all_files().values() for data in files.values()]
    assert PNG in everything
    assert not any(cluster.hidden(node, ".hints") for node in ("east-1", "east-2", "west-2"))
    (alert,) = [each for each in alerts if str(east.version) in each]
    assert "the other is in the quarantine of west-1" in alert
    again = [await cluster.master.upload(photo, key=KEY) for photo in (JPEG, PNG)]
    assert [answer.status for answer in again] == [200, 409]


async def test_the_alert_of_a_settlement_ends_when_the_photo_leaves_the_quarantine(cluster):
    """Every storagemaster has it, also one that starts later, and also after a restart of nodes."""
    photo, _ = await upload_during_a_cut(cluster)
    await settle(cluster)
    await cluster.stop("west-1")
    await cluster.start("west-1")
    later = await cluster.another_master("m3")
    for master in cluster.masters:
        await master.fleet.poll()
        alerts = (await master.request("GET", "/status")).document["alerts"]
        assert [each for each in alerts if str(photo.version) in each], master.url
    for node in ("west-1", "west-2"):
        for path in cluster.hidden(node, SETTLED):
            cluster.path(node, path).unlink()
    await later.fleet.poll()
    alerts = (await later.request("GET", "/status")).document["alerts"]
    assert not [each for each in alerts if str(photo.version) in each]


async def test_a_settlement_is_in_the_audit_log_of_every_storagemaster(cluster):
    """The entry stays, whichever storagemaster wrote it."""
    photo, _ = await upload_during_a_cut(cluster)
    await settle(cluster)
    for master in cluster.masters:
        entries = (await master.request("GET", "/audit?act=settle")).document["entries"]
        found = [(entry["act"], entry["target"], entry["result"]) for entry in entries]
        assert found == [("settle", str(photo.version), "done")]


async def test_an_acknowledged_photo_wins_over_one_that_was_refused(cluster):
    """It has two copies, although the other one is on the first mirror."""
    other = await cluster.another_master()
    other.fleet.mark_down("east-1", "cut off")
    answer = await other.upload(PNG, key=KEY)
    assert answer.document["pending_mirrors"] == ["east-1"]
    cluster.write("east-1", answer.original.replace(".png", ".jpg"), JPEG)
    await settle(cluster)
    assert files_of_mirrors(cluster) == [{answer.original: PNG}] * 2


async def test_sizes_of_the_other_photo_go_to_the_quarantine(cluster):
    """No size of it is left on a mirror, so that workers make sizes of the one that stays."""
    east, _ = await upload_during_a_cut(cluster)
    for file in sizes_of(east.version):
        cluster.write("west-1", file.path, file.data)
    await settle(cluster)
    assert files_of_mirrors(cluster) == [{east.original: JPEG}] * 2


async def test_nothing_is_settled_while_a_node_is_down(cluster):
    """It may have a copy that counts; until then an alert names the reference."""
    east, _ = await upload_during_a_cut(cluster)
    await cluster.stop_and_notice("west-2")
    alerts = await settle(cluster)
    assert any(str(east.version) in alert and "every node is up" in alert for alert in alerts)
    assert [[*files.values()] for files in files_of_mirrors(cluster)] == [[JPEG], [PNG]]
    await cluster.start_and_notice("west-2")
    await settle(cluster)
    assert files_of_mirrors(cluster) == [{east.original: JPEG}] * 2


async def test_a_damaged_original_is_no_other_photo(cluster):
    """It is quarantined as such, although it is on the first mirror, and the sound one stays."""
    answer = await cluster.master.upload(JPEG, key=KEY)
    os.setxattr(cluster.path("east-1", answer.original), DIGEST_XATTR, b"0" * 64)
    alerts = await settle(cluster)
    assert files_of_mirrors(cluster) == [{answer.original: JPEG}] * 2
    assert not any("uploaded with the Idempotency-Key" in alert for alert in alerts)


async def test_a_damaged_hint_is_no_copy(cluster):
    """It is quarantined, so the photo with more sound copies stays, although it is the second."""
    east, west = await upload_during_a_cut(cluster)
    flip(cluster.path("east-2", f".hints/west-1/{east.original}"))
    await settle(cluster)
    await settle(cluster)
    assert files_of_mirrors(cluster) == [{west.original: PNG}] * 2
    assert len(cluster.hidden("east-2", ".quarantine")) == 1


async def test_originals_that_a_comparison_missed_count(cluster):
    """A mirror can be unreachable while mirrors are compared, and have the photo that stays."""
    first, second = await upload_during_a_cut(cluster)
    await cluster.poll()
    seen = HeldOriginal(
        "west-1", Variant(second.version, "o", "png"), second.document["sha256"], len(PNG)
    )
    conflict = Conflict(second.version, (seen,))
    assert await cluster.master.reconcile.settlements.settle(conflict)
    original = render_path(Variant(first.version, "o", "jpg"))
    assert {"east-1", "west-1"} <= set(cluster.holders(original))
