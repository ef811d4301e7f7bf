"""The sweep finds photos without sizes from the files on disk alone."""

import pytest

from tests.storagemaster.bundles_to_send import body_of, failure_of, sizes_of
from tests.storagemaster.pictures import picture
from volumes.photo_path import Variant, parse_name, render_path
from volumes.photo_shapes import photos_in
from volumes.sizes import DEFAULT_SIZES

SWEPT = "east-1"
"""The mirror of volume 1 that a sweep queries while both are up."""
ONE, TWO = "01jd3x8m2c9qp4k7_3fz8qd", "01jd3x8m2c9qp4k7_000000"


@pytest.mark.parametrize(
    ("names", "pending"),
    [
        ([], []),
        ([f"{ONE}_o.jpg"], [ONE]),
        ([f"{ONE}_o.jpg", f"{ONE}_s.jpg"], [ONE]),
        ([f"{ONE}_o.jpg", f"{ONE}.json"], []),
        ([f"{ONE}_o.jpg", f"{ONE}.fail"], []),
        ([f"{ONE}_o.jpg", f"{ONE}.gone"], []),
        ([f"{ONE}_o.jpg", f"{TWO}_o.jpg", f"{ONE}.gone"], [TWO]),
        ([f"{ONE}_o.jpg", f"{TWO}_o.jpg", f"{TWO}.json"], [ONE]),
        ([f"{ONE}_o.jpg", f"{TWO}_o.jpg", "01jd3x8m2c9qp4k7.gone"], []),
        ([f"{ONE}_s.jpg", f"{ONE}_q.jpg"], []),
    ],
)
def test_pending_originals_have_neither_info_nor_failure_nor_tombstone(names, pending):
    """The tombstone may cover the version or the photo."""
    found = photos_in(parse_name(1, name) for name in names).pending
    assert [f"{o.photo_version.photo}_{o.photo_version.version}" for o in found] == pending


async def test_only_pending_photos_are_enqueued(cluster):
    """Ready, failed, and deleted photos are not."""
    ready, failed, gone, pending = [
        (await cluster.master.upload(picture(number=number))).version for number in range(4)
    ]
    worker = cluster.master.worker
    await worker.put_bundle(ready, body_of(sizes_of(ready)), mtime_seconds=1)
    await worker.put_bundle(failed, body_of(failure_of(failed, "damaged")), mtime_seconds=1)
    await cluster.master.delete(gone)
    await cluster.master.sweep.sweep([1])
    assert await cluster.master.sweep.sweep([1]) == 1
    (entry,) = cluster.master.queue._waiting_again._queue
    assert entry.original.photo_version == pending


async def test_a_photo_is_enqueued_in_every_sweep_until_it_has_sizes(cluster):
    """The queue ignores duplicates of a job."""
    photo_version = (await cluster.master.upload(picture())).version
    assert [await cluster.master.sweep.sweep([1]) for _ in range(3)] == [0, 1, 1]
    await cluster.master.worker.put_bundle(
        photo_version, body_of(sizes_of(photo_version)), mtime_seconds=1
    )
    assert await cluster.master.sweep.sweep([1]) == 0


async def test_a_photo_that_is_hidden_while_its_shard_is_listed_is_found_later(
    cluster, monkeypatch
):
    """A copy can be quarantined during the listing, and then be replaced."""
    photo_version = (await cluster.master.upload(picture())).version
    original = cluster.path(SWEPT, render_path(Variant(photo_version, "o", "jpg")))
    summaries, hidden = cluster.stores[SWEPT]._summaries, original.with_suffix(".hidden")
    list_shard = summaries._list_shard

    def list_without_photo(volume, shard):
        original.rename(hidden)
        files = list_shard(volume, shard)
        hidden.rename(original)
        return files

    with monkeypatch.context() as patch:
        patch.setattr(summaries, "_list_shard", list_without_photo)
        assert await cluster.master.sweep.sweep([1]) == 0
    assert [await cluster.master.sweep.sweep([1]) for _ in range(2)] == [0, 1]


async def test_nothing_that_is_done_is_listed(cluster, monkeypatch):
    """By no storagemaster: nodes remember which originals have no sizes, also over a restart."""
    waiting = (await cluster.master.upload(picture(number=1))).version
    ready = (await cluster.master.upload(picture(number=2))).version
    files = sizes_of(ready, sizes=[size.letter for size in DEFAULT_SIZES])
    await cluster.master.worker.put_bundle(ready, body_of(files), mtime_seconds=1)
    store, listed = cluster.stores[SWEPT], []
    store.shard_digests(1)
    list_shard = store._listings.list_shard

    def recording(volume, shard):
        listed.append(shard)
        return list_shard(volume, shard)

    monkeypatch.setattr(store._listings, "list_shard", recording)
    monkeypatch.setattr(store._summaries, "_list_shard", recording)
    for master in (cluster.master, await cluster.another_master()):
        assert [await master.sweep.sweep([1]) for _ in range(3)] == [0, 1, 1]
    assert listed == []
    await cluster.master.worker.put_bundle(waiting, body_of(sizes_of(waiting)), mtime_seconds=1)
    assert await cluster.master.sweep.sweep([1]) == 0
    assert set(listed) == {waiting.shard}


async def test_each_pass_enqueues_a_part_of_many_photos(cluster, monkeypatch):
    """The next pass continues after it, and begins again at the end."""
    monkeypatch.setattr("storagemaster.jobs.sweep.ENQUEUED_PER_PASS_MAX", 2)
    photos = [(await cluster.master.upload(picture(number=number))).original for number in range(3)]
    again, enqueued = cluster.master.queue._waiting_again, []
    await cluster.master.sweep.sweep([1])
    for _ in range(3):
        assert await cluster.master.sweep.sweep([1]) == 2
    while not again.empty():
        enqueued.append(render_path(again.get_nowait().original))
    assert enqueued == [*sorted(photos), *sorted(photos)]


async def test_an_upload_waits_behind_no_photo_that_is_enqueued_again(cluster):
    """Both kinds of jobs have batches of their own."""
    for number in range(3):
        await cluster.master.upload(picture(number=number))
    queue = cluster.master.queue
    while not queue._waiting.empty():
        queue._waiting.get_nowait()
    for _ in range(2):
        await cluster.master.sweep.sweep([1])
    photo_version = (await cluster.master.upload(picture(number=4))).version
    assert queue._waiting.get_nowait().original.photo_version == photo_version
    assert (queue._waiting.qsize(), queue._waiting_again.qsize()) == (0, 3)


@pytest.mark.parametrize("down", ["east-1", "west-1"])
async def test_one_mirror_is_enough_for_a_sweep(cluster, down):
    """Either mirror will do."""
    await cluster.master.upload(picture())
    await cluster.stop_and_notice(down)
    await cluster.master.sweep.sweep([1])
    assert await cluster.master.sweep.sweep([1]) == 1


async def test_a_volume_without_mirrors_is_skipped(cluster):
    """Other volumes are swept."""
    for volume in (1, 2):
        await cluster.master.upload(picture(), volume=volume)
    await cluster.stop_and_notice("east-1", "west-1")
    await cluster.master.sweep.sweep_all()
    assert cluster.master.queue._waiting_again.empty()
    await cluster.master.sweep.sweep_all()
    assert cluster.master.queue._waiting_again.qsize() == 1


async def test_a_node_that_fails_during_a_sweep_does_not_end_it(cluster):
    """The fleet still lists the node as up."""
    await cluster.master.upload(picture(), volume=2)
    await cluster.stop(SWEPT)
    for _ in range(2):
        await cluster.master.sweep.sweep_all()
    assert cluster.master.queue._waiting_again.qsize() == 1
