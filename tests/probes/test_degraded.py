"""With mirrors or a colo away: nothing is kept on one copy, and what was owed comes home."""

import asyncio
import shutil
import statistics

import pytest

from drill.cluster.tcp_proxy import Fault
from storagemaster.mirrors import mirroring
from tests.storagemaster.conftest import REAL_PATIENCE_SECONDS
from tests.storagemaster.pictures import long_picture, picture

HOMES = ("east-1", "west-1")


async def test_a_photo_whose_last_home_fails_on_the_way_is_not_acknowledged(cluster):
    """Both copies would be held by stand-ins, where no edge looks: 404 to a photo that was kept."""
    await cluster.stop_and_notice("west-1")
    cluster.links["east-1"].plan(Fault.RESET, after_bytes=100_000)
    answer = await cluster.upload(long_picture(1_000_000))
    assert cluster.links["east-1"].fired.is_set()
    assert answer.status == 503
    assert "no mirror of the volume" in answer.document["detail"]


async def test_another_volume_takes_what_one_cannot(cluster):
    """A client that leaves the choice to the storagemaster notices nothing."""
    await cluster.stop_and_notice("west-1")
    answer = await cluster.master.upload(picture(), volume=None)
    assert (answer.status, answer.document["volume"], answer.document["pending_mirrors"]) == (
        201,
        2,
        [],
    )


@pytest.mark.parametrize("home", HOMES)
async def test_a_degraded_photo_is_read_from_the_home_that_has_it(cluster, home):
    """While the other is away, and after it is back and has caught up."""
    photo = picture()
    await cluster.stop_and_notice(home)
    path = await cluster.keep(photo)
    assert (await cluster.read(path)).body == photo
    await cluster.start_and_notice(home)
    assert (await cluster.read(path)).body == photo
    await cluster.catch_up()
    assert (await cluster.read(path, at=home)).body == photo


async def test_a_home_that_just_returned_does_not_deny_a_photo_it_is_owed(cluster):
    """The only home that has it goes away before the hand-over: 503, because nobody knows."""
    await cluster.stop_and_notice("west-1")
    path = await cluster.keep()
    await cluster.start("west-1")
    await cluster.stop_and_notice("east-1")
    assert (await cluster.read(path)).status in {502, 503}
    await cluster.master.fence_lifter.lift_fences()
    assert (await cluster.read(path)).status in {502, 503}
    await cluster.master.hinted_handoff.deliver_all()
    assert cluster.path("west-1", path).exists()


async def test_with_all_homes_away_a_photo_is_an_error_and_not_missing(cluster):
    """Unknown is never a 404."""
    path = await cluster.keep()
    await cluster.stop_and_notice(*HOMES)
    assert (await cluster.read(path)).status == 502
    status = await cluster.master.request("GET", "/photos/" + reference_of(path))
    assert status.status == 503


def reference_of(path):
    """The reference of the version that a photo path is of."""
    volume, _, name = path.split("/")
    return f"{volume}/{name[:16]}/{name[17:23]}"


@pytest.mark.parametrize("colo", [("east-1", "east-2"), ("west-1", "west-2")])
async def test_every_photo_is_read_with_any_one_colo_away(cluster, colo):
    """From before, and from while it is away."""
    kept = [await cluster.keep(picture(number=n), volume=n % 2 + 1) for n in range(4)]
    await cluster.stop_and_notice(*colo)
    kept += [await cluster.keep(picture(number=n), volume=n % 2 + 1) for n in range(4, 8)]
    assert {(await cluster.read(path)).status for path in kept} == {200}
    await cluster.start_and_notice(*colo)
    await cluster.mend()
    assert cluster.equal()
    assert {(await cluster.read(path, at=colo[0])).status for path in kept[0::2]} == {200}


async def test_owed_work_that_was_deleted_by_hand_is_made_good(cluster):
    """It is a shortcut, and no record."""
    await cluster.stop_and_notice("west-1")
    paths = [await cluster.keep(picture(number=number)) for number in range(4)]
    gone = await cluster.upload(picture(number=8))
    await cluster.master.delete(gone.version)
    shutil.rmtree(cluster.root("west-2") / ".hints")
    (cluster.root("west-2") / ".hints").mkdir()
    await cluster.start_and_notice("west-1")
    await cluster.mend()
    assert cluster.equal(1)
    assert all(cluster.holders(path).keys() == set(HOMES) for path in paths)
    assert (await cluster.read(gone.original, at="west-1")).status == 410


@pytest.mark.usefixtures("impatience")
async def test_a_frozen_mirror_delays_an_upload_by_less_than_a_second(cluster, monkeypatch):
    """That is what the patience is; and once it was noticed, it delays none at all."""
    spent = []
    ask_all = mirroring.run_all

    async def timed(asks, *, patience_seconds):
        spent.append(patience_seconds)
        return await ask_all(asks, patience_seconds=patience_seconds)

    monkeypatch.setattr(mirroring, "run_all", timed)
    cluster.links["west-1"].freeze()
    answers = await asyncio.gather(*(cluster.upload(picture(number=n)) for n in range(8)))
    assert [answer.status for answer in answers] == [201] * 8
    assert all(len(answer.document["copies"]) == 2 for answer in answers)
    assert max(spent) == REAL_PATIENCE_SECONDS <= 0.7
    asked = cluster.links["west-1"].connections
    assert (await cluster.upload(picture(number=9))).status == 201
    assert cluster.links["west-1"].connections == asked
    assert statistics.median(spent) <= 0.7


async def test_a_suspect_disk_is_told_and_written_around(cluster):
    """Its volume is read there, and written elsewhere; somebody is told."""
    path = await cluster.keep(picture(number=1))
    cluster.mark_unverified("west-1")
    await cluster.poll()
    answer = await cluster.upload(picture(number=2))
    assert answer.document["pending_mirrors"] == ["west-1"]
    assert (await cluster.read(path, at="west-1")).status == 200
    status = (await cluster.master.request("GET", "/status")).document
    assert any("west-1 takes no writes" in alert for alert in status["alerts"])
    metrics = (await cluster.master.request("GET", "/metrics")).document
    assert 'glassplate_node_suspect{colo="west",node="west-1"} 1.0' in metrics


async def test_a_suspect_disk_that_was_replaced_gets_what_it_missed(cluster):
    """After a restart it is trusted again, and no copy was lost meanwhile."""
    cluster.mark_unverified("west-1")
    await cluster.poll()
    path = await cluster.keep()
    await cluster.stop("west-1")
    await cluster.start_and_notice("west-1")
    await cluster.mend()
    assert cluster.holders(path).keys() == set(HOMES)


async def test_a_full_cluster_takes_deletes_and_says_why_it_takes_no_photo(cluster):
    """The reserve is for tombstones."""
    kept = await cluster.upload()
    for node in cluster.stores:
        cluster.fill(node, to_the_brim=True)
    await cluster.poll()
    refused = await cluster.upload(picture(number=2))
    assert refused.status == 503
    assert "full" in refused.document["detail"]
    assert (await cluster.master.delete(kept.version)).status == 200
    alerts = (await cluster.master.request("GET", "/status")).document["alerts"]
    assert any("takes no new photos" in alert for alert in alerts)


async def test_a_delete_in_one_half_is_not_undone_by_the_other(cluster):
    """Each half sees the other as away; when they meet, the tombstone wins."""
    answer = await cluster.upload()
    for node in ("west-1", "west-2"):
        cluster.links[node].freeze()
        cluster.master.fleet.mark_down(node, "cut")
    deletion = await cluster.master.delete(answer.version)
    assert (deletion.status, deletion.document["pending_mirrors"]) == (200, ["west-1"])
    assert (await cluster.read(answer.original, at="west-1")).status == 200
    for node in ("west-1", "west-2"):
        cluster.links[node].unfreeze()
    await cluster.mend()
    assert (await cluster.read(answer.original, at="west-1")).status == 410
    assert cluster.equal(1)


async def test_both_halves_of_a_cut_cluster_may_take_photos(cluster):
    """Ids are never the same, so that all of them are kept when the halves meet."""
    other = await cluster.another_master()
    cut = {cluster.master: ("west-1", "west-2"), other: ("east-1", "east-2")}
    for master, nodes in cut.items():
        for node in nodes:
            master.fleet.mark_down(node, "cut")
    answers = [await master.upload(picture(number=7)) for master in cut]
    assert [answer.document["durability"] for answer in answers] == ["degraded"] * 2
    await cluster.mend()
    assert all(cluster.holders(a.original).keys() == set(HOMES) for a in answers)
    assert cluster.equal(1)


@pytest.mark.parametrize("asked", ["the same half", "the other half"])
async def test_the_same_key_in_both_halves_is_one_photo_or_none(cluster, asked):
    """A retry finds the first; where that half cannot be asked, it is refused, not doubled."""
    photo = picture()
    for node in ("west-1", "west-2"):
        cluster.master.fleet.mark_down(node, "cut")
    first = await cluster.upload(photo, key="k")
    other = await cluster.another_master()
    if asked == "the other half":
        for node in ("east-1", "east-2"):
            other.fleet.mark_down(node, "cut")
    again = await other.upload(photo, key="k")
    assert again.status in {200, 201, 503}
    await cluster.mend()
    originals = {path for node in HOMES for path in cluster.visible(node)}
    assert originals == {first.original}


async def test_a_photo_is_deleted_that_a_stand_in_still_holds(cluster):
    """The copy goes home to a tombstone, and is let go of."""
    await cluster.stop_and_notice("west-1")
    answer = await cluster.upload()
    await cluster.master.delete(answer.version)
    await cluster.start_and_notice("west-1")
    await cluster.mend()
    assert all(not cluster.hidden(node, ".hints") for node in cluster.stores)
    assert (await cluster.read(answer.original, at="west-1")).status == 410
