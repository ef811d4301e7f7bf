"""Repair of damaged and lost files from a verified copy, and only from one."""

import os
import shutil
from collections import Counter

import pytest

from storagemaster.repair import reconcile, task_runs
from storagemaster.repair.reconcile import ATTEMPTS_MAX
from storagenode.disk.filesystem import DiskFileSystem
from storagenode.protocol.batch_wire import FILE_BYTES_MAX
from storagenode.protocol.errors import NodeError
from storagenode.protocol.wire import Pull
from tests.free_ports import free_port
from tests.storagemaster.pictures import long_picture, picture
from tests.storagemaster.small_cluster import HOST
from volumes.photo_path import SHARDS

NODES = ("east-1", "west-1")


def flip(data):
    """Return the data with one bit changed."""
    return bytes([data[0] ^ 1]) + data[1:]


DAMAGES = {
    "a flipped bit": flip,
    "emptied": lambda _: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "one byte short": lambda data: data[:-1],
    "longer": lambda data: data + bytes(256),
    "another photo's bytes": lambda data: data[::-1],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
@pytest.mark.parametrize("node", NODES)
async def test_a_damaged_copy_is_never_sent_and_is_repaired_after_a_read(cluster, node, damage):
    """The edge uses the other mirror, and the damaged copy goes to quarantine."""
    photo = picture()
    path = await cluster.store_photo(photo)
    cluster.damage(node, path, damage)
    found = await cluster.read(path)
    assert (found.status, found.body) == (200, photo)
    assert (await cluster.read(path, at=node)).status in {404, 502}
    await cluster.repair_all()
    assert cluster.holders(path) == dict.fromkeys(NODES, photo)
    assert len(cluster.hidden(node, ".quarantine")) == 1


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
async def test_the_scrub_finds_a_damaged_copy(cluster, damage):
    """It is repaired like a copy that was read."""
    photo = picture()
    path = await cluster.store_photo(photo)
    cluster.damage("west-1", path, damage)
    assert (await cluster.scrub("west-1")).corrupt == [path]
    await cluster.repair_all()
    assert cluster.holders(path) == dict.fromkeys(NODES, photo)


async def test_a_photo_damaged_on_both_mirrors_is_an_error_and_never_wrong_bytes(cluster):
    """Both copies go to quarantine."""
    path = await cluster.store_photo()
    for node in NODES:
        cluster.damage(node, path, flip)
    assert (await cluster.read(path)).status == 502
    await cluster.repair_all()
    assert all(len(cluster.hidden(node, ".quarantine")) == 1 for node in NODES)


@pytest.mark.parametrize("node", NODES)
async def test_a_removed_file_is_copied_back(cluster, node):
    """Absence is not evidence of deletion. The copy has the same mtime, and so the same ETag."""
    photo = picture()
    path = await cluster.store_photo(photo)
    cluster.path(node, path).unlink()
    assert (await cluster.read(path)).body == photo
    await cluster.repair_all()
    assert cluster.holders(path) == dict.fromkeys(NODES, photo)
    assert len({cluster.path(each, path).stat().st_mtime_ns for each in NODES}) == 1


@pytest.mark.parametrize("what", ["a shard", "all of the volume but its marker"])
async def test_a_lost_directory_is_copied_back(cluster, what):
    """All its files come from the other mirror."""
    paths = [await cluster.store_photo(picture(number=number)) for number in range(4)]
    shards = {path.rpartition("/")[0] for path in paths}
    lost = sorted(shards)[:1] if what == "a shard" else [f"1/{shard}" for shard in SHARDS]
    for shard in lost:
        shutil.rmtree(cluster.path("west-1", shard))
    await cluster.repair_all()
    assert all(cluster.holders(path).keys() == set(NODES) for path in paths)


async def test_a_cached_shard_digest_does_not_hide_a_lost_file(cluster):
    """Each change of the directory invalidates it."""
    path = await cluster.store_photo()
    assert (await cluster.plan())["equal"]
    cluster.path("west-1", path).unlink()
    assert not (await cluster.plan())["equal"]


async def test_an_empty_replacement_of_a_node_is_filled(cluster):
    """It gets originals and tombstones, and every photo is readable meanwhile."""
    paths = [await cluster.store_photo(picture(number=number)) for number in range(6)]
    gone = await cluster.upload(picture(number=9))
    await cluster.master.delete(gone.version)
    await cluster.stop_and_notice("west-1")
    shutil.rmtree(cluster.root("west-1") / "1")
    await cluster.start_and_notice("west-1")
    await cluster.run_passes()
    assert {(await cluster.read(path)).status for path in paths} == {200}
    paths.append(await cluster.store_photo(picture(number=7)))
    await cluster.repair_all()
    assert cluster.equal(1)
    assert all(cluster.holders(path).keys() == set(NODES) for path in paths)
    assert (await cluster.read(gone.original, at="west-1")).status == 410


async def test_a_source_that_fails_during_a_repair_loses_nothing(cluster):
    """The repair completes when the source is back."""
    paths = [await cluster.store_photo(picture(number=number)) for number in range(6)]
    for path in paths:
        cluster.path("west-1", path).unlink()
    await cluster.stop("east-1")
    response = await cluster.repair(1)
    assert not response["equal"]
    await cluster.start_and_notice("east-1")
    await cluster.repair_all()
    assert all(cluster.holders(path).keys() == set(NODES) for path in paths)


async def test_a_plan_lists_unreachable_mirrors(cluster):
    """An unreachable mirror is never empty, and the volume is not equal."""
    await cluster.store_photo()
    await cluster.stop_and_notice("west-1")
    plan = await cluster.plan()
    assert (plan["equal"], plan["unreachable"], plan["steps"]) == (False, ["west-1"], [])


async def test_a_mirror_that_stops_during_a_comparison_is_unreachable(cluster, monkeypatch):
    """It has sent its digests, and cannot list the shards that differ."""
    path = await cluster.store_photo()
    cluster.path("west-1", path).unlink()

    def fail(volume, shard):
        raise NodeError(f"volume {volume}, shard {shard}: input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(cluster.stores["west-1"], "list_shard", fail)
        plan = await cluster.plan()
    assert (plan["equal"], plan["unreachable"], plan["steps"]) == (False, ["west-1"], [])
    await cluster.repair_all()
    assert cluster.holders(path).keys() == set(NODES)


async def test_a_damaged_source_delays_no_other_step(cluster):
    """The damaged copy does not spread, and the status finally lists the step with its reason."""
    paths = [await cluster.store_photo(picture(number=number)) for number in range(8)]
    for path in paths:
        cluster.path("west-1", path).unlink()
    cluster.damage("east-1", paths[3], flip)
    report = await cluster.master.reconcile.reconcile(1)
    assert (report.done, len(report.failed)) == (7, 1)
    assert not cluster.path("west-1", paths[3]).exists()
    for _ in range(ATTEMPTS_MAX):
        report = await cluster.master.reconcile.reconcile(1)
    assert list(cluster.master.reconcile.given_up) == list(report.failed)
    state = (await cluster.master.request("GET", "/status")).document
    (failed,) = state["repair"]["failed"]
    assert (failed["path"], failed["node"]) == (paths[3], "west-1")
    assert "SHA-256" in failed["reason"]
    assert any("could not be repaired" in alert for alert in state["alerts"])


async def test_a_failed_step_is_forgotten_when_its_cause_is_fixed(cluster):
    """The alert ends as well."""
    path = await cluster.store_photo()
    data = cluster.path("east-1", path).read_bytes()
    cluster.path("west-1", path).unlink()
    cluster.damage("east-1", path, flip)
    for _ in range(ATTEMPTS_MAX + 1):
        await cluster.master.reconcile.reconcile(1)
    assert cluster.master.reconcile.given_up
    cluster.damage("east-1", path, lambda _: data)
    await cluster.repair_all()
    assert not cluster.master.reconcile.given_up
    assert cluster.holders(path) == dict.fromkeys(NODES, data)


async def test_conflicting_originals_are_settled(cluster):
    """That of the first mirror stays, the other is in quarantine, and an alert names them."""
    path = "1/k7/01jd3x8m2c9qp4k7_3fz8qd_o.jpg"
    for node in NODES:
        cluster.write(node, path, node.encode())
    await cluster.repair(1)
    assert cluster.holders(path) == dict.fromkeys(NODES, b"east-1")
    assert b"west-1" in cluster.files("west-1").values()
    await cluster.master.fleet.poll()
    alerts = (await cluster.master.request("GET", "/status")).document["alerts"]
    assert any("1/01jd3x8m2c9qp4k7/3fz8qd" in alert for alert in alerts)


async def test_repair_never_fills_a_disk(cluster):
    """A full mirror keeps its reserve, and the step is retried in every pass."""
    path = await cluster.store_photo()
    cluster.path("west-1", path).unlink()
    reserve = cluster.stores["west-1"].health.reserve
    cluster.fill("west-1", to_the_brim=True)
    for _ in range(ATTEMPTS_MAX + 1):
        response = await cluster.repair(1)
        assert "reserved for deletes" in response["failed"][0]["reason"]
    assert not cluster.master.reconcile.given_up
    cluster.stores["west-1"].health.reserve = reserve
    await cluster.repair_all()
    assert cluster.equal(1)


@pytest.mark.parametrize("sizes", [[9_000] * 3, [600_000] * 2], ids=["batch", "large"])
async def test_an_unreachable_source_is_retried_without_limit(cluster, monkeypatch, sizes):
    """A broken link is not a fault of the files. Each pass makes one attempt per link."""
    photos = [long_picture(size + number) for number, size in enumerate(sizes)]
    paths = [await cluster.store_photo(photo) for photo in photos]
    for path in paths:
        cluster.path("west-1", path).unlink()
    pulled, nowhere = [], f"http://{HOST}:{free_port()}"

    def from_nowhere(**fields):
        pulled.append(fields["place"])
        return Pull(**{**fields, "source": nowhere})

    with monkeypatch.context() as patch:
        patch.setattr(task_runs, "Pull", from_nowhere)
        patch.setattr(reconcile, "TASKS_AT_ONCE", 1)
        for _ in range(ATTEMPTS_MAX + 1):
            pulled.clear()
            report = await cluster.master.reconcile.reconcile(1)
            assert len(report.failed) == len(sizes)
            assert len(pulled) == (1 if sizes[0] > FILE_BYTES_MAX else len(sizes))
    assert not cluster.master.reconcile.given_up
    assert cluster.master.fleet.is_up("west-1")
    report = await cluster.master.reconcile.reconcile(1)
    assert (report.done, report.failed) == (len(sizes), {})
    assert cluster.equal(1)


async def test_large_and_small_files_are_repaired_in_one_pass(cluster):
    """Small files share a request, and each large file has its own."""
    photos = [picture(number=1), long_picture(600_000), picture(number=2)]
    paths = [await cluster.store_photo(photo) for photo in photos]
    for path in paths:
        cluster.path("west-1", path).unlink()
    report = await cluster.master.reconcile.reconcile(1)
    assert (report.done, report.copied_bytes) == (3, sum(map(len, photos)))
    assert [cluster.holders(path)["west-1"] for path in paths] == photos


async def test_more_files_than_a_batch_are_repaired_in_one_pass(cluster):
    """The mirrors then have equal shard digests."""
    for number in range(150):
        cluster.write(
            "east-1", f"1/k7/01jd3x8m2c9{number:03d}k7_3fz8qd_o.jpg", str(number).encode()
        )
    report = await cluster.master.reconcile.reconcile(1)
    assert (report.done, report.failed) == (150, {})
    assert cluster.mirrors_are_equal(1)


async def test_a_delete_during_a_repair_wins(cluster):
    """The tombstone is on the mirror before the planned copy."""
    response = await cluster.upload()
    cluster.path("west-1", response.original).unlink()
    found = await cluster.master.reconcile.plan(1)
    await cluster.master.delete(response.version)
    report = await cluster.master.reconcile.apply(found.plan)
    assert (report.done, report.failed) == (0, {})
    assert (await cluster.read(response.original, at="west-1")).status == 410
    assert cluster.visible("west-1") == cluster.visible("east-1")


async def test_comparing_equal_mirrors_costs_one_stat_per_shard(cluster, monkeypatch):
    """No shard is listed, and no file is opened."""
    for number in range(5):
        await cluster.store_photo(picture(number=number))
    shards = [cluster.path(node, f"1/{shard}") for node in NODES for shard in SHARDS]
    assert (await cluster.plan())["equal"]
    calls = Counter()
    roots = {cluster.path(node, "1").parent for node in NODES}
    with monkeypatch.context() as patch:
        for name in ("stat", "list", "open_to_read", "digest_open", "read_at"):
            patch.setattr(
                DiskFileSystem, name, counting(calls, roots, getattr(DiskFileSystem, name))
            )
        assert (await cluster.plan())["equal"]
    assert calls == {"stat": len(shards), "list": len(NODES)}


def counting(calls, roots, call):
    """Wrap a call so that it is counted for these roots, without hidden directories.

    Nodes of other tests can run in this process, and every node lists its own hints.
    """

    def counted(file_system, about, *more):
        if file_system.root in roots and not str(about).startswith("."):
            calls[call.__name__] += 1
        return call(file_system, about, *more)

    return counted


async def test_a_copy_without_digest_is_verified_by_the_other_mirror(cluster):
    """It is not served meanwhile, and it is not replaced unread."""
    photo = picture()
    path = await cluster.store_photo(photo)
    on_disk = cluster.path("west-1", path)
    on_disk.chmod(0o644)
    os.removexattr(on_disk, "user.sha256")
    os.utime(on_disk.parent)
    found = await cluster.read(path)
    assert (found.status, found.body) == (200, photo)
    assert (await cluster.read(path, at="west-1")).status == 502
    await cluster.repair_all()
    assert (await cluster.read(path, at="west-1")).body == photo


async def test_foreign_and_unfinished_files_are_not_copied(cluster):
    """Another program left a file in a shard, and a write did not end."""
    path = await cluster.store_photo()
    shard = cluster.path("east-1", path).parent
    (shard / ".photo.jpg.Xyz").write_bytes(b"left by rsync")
    (cluster.root("east-1") / ".staging" / "1-1").write_bytes(b"unfinished")
    await cluster.repair_all()
    assert cluster.visible("west-1") == {path}
    (shard / ".photo.jpg.Xyz").unlink()
    (cluster.root("east-1") / ".staging" / "1-1").unlink()
