"""The sweep finds photos without sizes from the files on disk alone."""

import pytest

from storagemaster.jobs.sweep import pending_originals
from storagenode.protocol.files import ListedFile
from tests.storagemaster.bundles_to_send import body_of, failure_of, sizes_of
from tests.storagemaster.pictures import picture
from volumes.photo_path import Variant, render_path

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
    found = pending_originals(1, [ListedFile(name, 1, "") for name in names])
    assert sorted(f"{o.photo_version.photo}_{o.photo_version.version}" for o in found) == sorted(
        pending
    )


async def test_only_pending_photos_are_enqueued(cluster):
    """Ready, failed, and deleted photos are not."""
    ready, failed, gone, pending = [
        (await cluster.master.upload(picture(number=number))).version for number in range(4)
    ]
    worker = cluster.master.worker
    await worker.put_bundle(ready, body_of(sizes_of(ready)), mtime_seconds=1)
    await worker.put_bundle(failed, body_of(failure_of(failed, "damaged")), mtime_seconds=1)
    await cluster.master.delete(gone)
    await cluster.master.sweep.sweep(1)
    assert await cluster.master.sweep.sweep(1) == 1
    lane_kind_original = cluster.master.queue._waiting._queue[-1]
    assert lane_kind_original.original.photo_version == pending


async def test_a_photo_is_enqueued_in_every_sweep_until_it_has_sizes(cluster):
    """The queue ignores duplicates of a job."""
    photo_version = (await cluster.master.upload(picture())).version
    assert [await cluster.master.sweep.sweep(1) for _ in range(3)] == [0, 1, 1]
    await cluster.master.worker.put_bundle(
        photo_version, body_of(sizes_of(photo_version)), mtime_seconds=1
    )
    assert await cluster.master.sweep.sweep(1) == 0


async def test_a_photo_that_is_hidden_while_its_shard_is_listed_is_found_later(
    cluster, monkeypatch
):
    """A copy can be quarantined after its node reported the digest, and then be replaced."""
    photo_version = (await cluster.master.upload(picture())).version
    original = cluster.path("east-1", render_path(Variant(photo_version, "o", "jpg")))
    store, hidden = cluster.stores["east-1"], original.with_suffix(".hidden")
    list_shard = store.list_shard

    def list_without_photo(volume, shard):
        original.rename(hidden)
        files = list_shard(volume, shard)
        hidden.rename(original)
        return files

    with monkeypatch.context() as patch:
        patch.setattr(store, "list_shard", list_without_photo)
        assert await cluster.master.sweep.sweep(1) == 0
    assert [await cluster.master.sweep.sweep(1) for _ in range(2)] == [0, 1]


async def test_a_shard_is_listed_again_only_after_a_change(cluster, monkeypatch):
    """Photos that wait for their sizes cost no listings, and are enqueued all the same."""
    photo_version = (await cluster.master.upload(picture())).version
    store, listed = cluster.stores["east-1"], []
    list_shard = store.list_shard

    def recording(volume, shard):
        listed.append(shard)
        return list_shard(volume, shard)

    monkeypatch.setattr(store, "list_shard", recording)
    assert [await cluster.master.sweep.sweep(1) for _ in range(3)] == [0, 1, 1]
    assert listed == [photo_version.shard]
    body = body_of(sizes_of(photo_version))
    await cluster.master.worker.put_bundle(photo_version, body, mtime_seconds=1)
    assert await cluster.master.sweep.sweep(1) == 0
    assert listed == [photo_version.shard] * 2


@pytest.mark.parametrize("down", ["east-1", "west-1"])
async def test_one_mirror_is_enough_for_a_sweep(cluster, down):
    """Either mirror will do."""
    await cluster.master.upload(picture())
    await cluster.stop_and_notice(down)
    await cluster.master.sweep.sweep(1)
    assert await cluster.master.sweep.sweep(1) == 1


async def test_a_volume_without_mirrors_is_skipped(cluster):
    """Other volumes are swept."""
    for volume in (1, 2):
        await cluster.master.upload(picture(), volume=volume)
    await cluster.stop_and_notice("east-1", "west-1")
    await cluster.master.sweep.sweep_all()
    waiting = cluster.master.queue._waiting.qsize()
    await cluster.master.sweep.sweep_all()
    assert cluster.master.queue._waiting.qsize() == waiting + 1


async def test_a_node_that_fails_during_a_sweep_does_not_end_it(cluster):
    """The fleet still lists the node as up."""
    await cluster.master.upload(picture(), volume=2)
    await cluster.stop("east-1")
    for _ in range(2):
        await cluster.master.sweep.sweep_all()
    assert cluster.master.queue._waiting.qsize() == 2
