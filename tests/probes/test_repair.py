"""Repair as a step: what was damaged or lost is healed from a verified copy, and only from one."""

import os
import shutil
from collections import Counter

import pytest

from storagemaster.repair import reconcile
from storagemaster.repair.reconcile import ATTEMPTS_MAX
from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.shard_listing import MTIME_SETTLE_SECONDS
from storagenode.protocol.batch_wire import FILE_BYTES_MAX
from storagenode.protocol.wire import Pull
from tests.free_ports import free_port
from tests.storagemaster.pictures import long_picture, picture
from tests.storagemaster.small_cluster import HOST
from volumes.photo_path import SHARDS

HOMES = ("east-1", "west-1")


def flip(data):
    """One bit of a file."""
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
@pytest.mark.parametrize("node", HOMES)
async def test_a_damaged_copy_is_never_sent_and_is_healed_after_it_was_read(cluster, node, damage):
    """The reader gets the other mirror's; the damaged copy is kept for inspection."""
    photo = picture()
    path = await cluster.keep(photo)
    cluster.damage(node, path, damage)
    got = await cluster.read(path)
    assert (got.status, got.body) == (200, photo)
    assert (await cluster.read(path, at=node)).status in {404, 502}
    await cluster.mend()
    assert cluster.holders(path) == dict.fromkeys(HOMES, photo)
    assert len(cluster.hidden(node, ".quarantine")) == 1


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
async def test_a_damaged_copy_that_nobody_reads_is_found_by_the_scrub(cluster, damage):
    """And healed like the others."""
    photo = picture()
    path = await cluster.keep(photo)
    cluster.damage("west-1", path, damage)
    assert (await cluster.scrub("west-1")).corrupt == [path]
    await cluster.mend()
    assert cluster.holders(path) == dict.fromkeys(HOMES, photo)


async def test_a_photo_damaged_on_both_mirrors_is_an_error_and_never_wrong_bytes(cluster):
    """Both copies are kept for inspection; nobody picks one of two."""
    path = await cluster.keep()
    for node in HOMES:
        cluster.damage(node, path, flip)
    assert (await cluster.read(path)).status == 502
    await cluster.mend()
    assert all(len(cluster.hidden(node, ".quarantine")) == 1 for node in HOMES)


async def test_repair_does_not_spread_a_corrupt_copy(cluster):
    """It is found out on arrival; the mirror that lacks the photo goes on lacking it."""
    path = await cluster.keep()
    cluster.path("west-1", path).unlink()
    cluster.damage("east-1", path, flip)
    answer = await cluster.repair(1)
    assert not cluster.path("west-1", path).exists()
    assert answer["failed"]
    assert "SHA-256" in answer["failed"][0]["reason"]


@pytest.mark.parametrize("node", HOMES)
async def test_a_file_that_was_removed_comes_back(cluster, node):
    """Absence is not evidence of deletion."""
    photo = picture()
    path = await cluster.keep(photo)
    cluster.path(node, path).unlink()
    assert (await cluster.read(path)).body == photo
    await cluster.mend()
    assert cluster.holders(path) == dict.fromkeys(HOMES, photo)


@pytest.mark.parametrize("what", ["a shard", "all of the volume but its marker"])
async def test_a_lost_directory_comes_back(cluster, what):
    """With all that was in it."""
    paths = [await cluster.keep(picture(number=number)) for number in range(4)]
    shards = {path.rpartition("/")[0] for path in paths}
    lost = sorted(shards)[:1] if what == "a shard" else [f"1/{shard}" for shard in SHARDS]
    for shard in lost:
        shutil.rmtree(cluster.path("west-1", shard))
    await cluster.mend()
    assert all(cluster.holders(path).keys() == set(HOMES) for path in paths)


async def test_a_digest_that_is_remembered_does_not_hide_a_lost_file(cluster):
    """Swift's remembered digests do; here the directory's own time tells."""
    path = await cluster.keep()
    shards = [cluster.path(node, path).parent for node in HOMES]
    remove_hint(shards)
    assert (await cluster.plan())["equal"]
    cluster.path("west-1", path).unlink()
    assert not (await cluster.plan())["equal"]
    touch(shards)


async def test_a_node_that_was_replaced_by_an_empty_one_is_filled(cluster):
    """Originals, sizes and tombstones; its uploads meanwhile stay where they are."""
    kept = [await cluster.keep(picture(number=number)) for number in range(6)]
    gone = await cluster.upload(picture(number=9))
    await cluster.master.delete(gone.version)
    await cluster.stop_and_notice("west-1")
    shutil.rmtree(cluster.root("west-1") / "1")
    await cluster.start_and_notice("west-1")
    kept.append(await cluster.keep(picture(number=7)))
    await cluster.mend()
    assert cluster.equal(1)
    assert all(cluster.holders(path).keys() == set(HOMES) for path in kept)
    assert (await cluster.read(gone.original, at="west-1")).status == 410


async def test_while_a_node_is_filled_every_photo_is_read(cluster):
    """From the mirror that has it."""
    kept = [await cluster.keep(picture(number=number)) for number in range(6)]
    await cluster.stop_and_notice("east-1")
    shutil.rmtree(cluster.root("east-1") / "1")
    await cluster.start_and_notice("east-1")
    await cluster.catch_up()
    assert {(await cluster.read(path)).status for path in kept} == {200}


async def test_a_source_that_is_lost_while_it_is_copied_from_costs_nothing(cluster):
    """The second fault in the middle of the repair of the first."""
    kept = [await cluster.keep(picture(number=number)) for number in range(6)]
    for path in kept:
        cluster.path("west-1", path).unlink()
    await cluster.stop("east-1")
    answer = await cluster.repair(1)
    assert not answer["equal"]
    await cluster.start_and_notice("east-1")
    await cluster.mend()
    assert all(cluster.holders(path).keys() == set(HOMES) for path in kept)


async def test_a_repair_says_what_it_could_not_ask(cluster):
    """A mirror that is away is unknown, never empty, and the volume is not called equal."""
    await cluster.keep()
    await cluster.stop_and_notice("west-1")
    plan = await cluster.plan()
    assert (plan["equal"], plan["unreachable"], plan["steps"]) == (False, ["west-1"], [])


async def test_one_poisoned_file_holds_up_no_other(cluster):
    """It is tried a few times, then listed with its reason; all others are healed in the first."""
    kept = [await cluster.keep(picture(number=number)) for number in range(8)]
    for path in kept:
        cluster.path("west-1", path).unlink()
    cluster.damage("east-1", kept[3], flip)
    report = await cluster.master.reconcile.reconcile(1)
    assert (report.done, len(report.failed)) == (7, 1)
    for _ in range(ATTEMPTS_MAX):
        report = await cluster.master.reconcile.reconcile(1)
    assert list(cluster.master.reconcile.given_up) == list(report.failed)
    state = (await cluster.master.request("GET", "/status")).document
    (unhealed,) = state["repair"]["failed"]
    assert (unhealed["path"], unhealed["node"]) == (kept[3], "west-1")
    assert "SHA-256" in unhealed["reason"]
    assert any("could not be repaired" in alert for alert in state["alerts"])


async def test_what_was_given_up_is_forgotten_when_its_cause_is_gone(cluster):
    """The alert ends with it."""
    path = await cluster.keep()
    data = cluster.path("east-1", path).read_bytes()
    cluster.path("west-1", path).unlink()
    cluster.damage("east-1", path, flip)
    for _ in range(ATTEMPTS_MAX + 1):
        await cluster.master.reconcile.reconcile(1)
    assert cluster.master.reconcile.given_up
    cluster.damage("east-1", path, lambda _: data)
    await cluster.mend()
    assert not cluster.master.reconcile.given_up
    assert cluster.holders(path) == dict.fromkeys(HOMES, data)


async def test_an_original_with_other_bytes_on_each_mirror_is_left_to_a_person(cluster):
    """Neither is thrown away, and the status says so."""
    path = "1/k7/01jd3x8m2c9qp4k7_3fz8qd_o.jpg"
    for node in HOMES:
        cluster.write(node, path, node.encode())
    await cluster.repair(1)
    assert cluster.holders(path) == {node: node.encode() for node in HOMES}
    alerts = (await cluster.master.request("GET", "/status")).document["alerts"]
    assert any("different bytes" in alert for alert in alerts)


async def test_repair_never_fills_a_disk(cluster):
    """A mirror without room keeps its reserve; the rest waits, for as many passes as it takes."""
    path = await cluster.keep()
    cluster.path("west-1", path).unlink()
    reserve = cluster.stores["west-1"].health.reserve
    cluster.fill("west-1", to_the_brim=True)
    for _ in range(ATTEMPTS_MAX + 1):
        answer = await cluster.repair(1)
        assert "kept for deletes" in answer["failed"][0]["reason"]
    assert not cluster.master.reconcile.given_up
    cluster.stores["west-1"].health.reserve = reserve
    await cluster.mend()
    assert cluster.equal(1)


@pytest.mark.parametrize("sizes", [[9_000] * 3, [600_000] * 2], ids=["batch", "large"])
async def test_a_source_that_cannot_be_reached_is_asked_for_ever(cluster, monkeypatch, sizes):
    """Its link says nothing of the files: none is given up, and one try a pass is enough."""
    photos = [long_picture(size + number) for number, size in enumerate(sizes)]
    paths = [await cluster.keep(photo) for photo in photos]
    for path in paths:
        cluster.path("west-1", path).unlink()
    asked, nowhere = [], f"http://{HOST}:{free_port()}"

    def from_nowhere(**fields):
        asked.append(fields["place"])
        return Pull(**{**fields, "source": nowhere})

    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "Pull", from_nowhere)
        patch.setattr(reconcile, "TASKS_AT_ONCE", 1)
        for _ in range(ATTEMPTS_MAX + 1):
            asked.clear()
            report = await cluster.master.reconcile.reconcile(1)
            assert len(report.failed) == len(sizes)
            assert len(asked) == (1 if sizes[0] > FILE_BYTES_MAX else len(sizes))
    assert not cluster.master.reconcile.given_up
    assert cluster.master.fleet.is_up("west-1")
    report = await cluster.master.reconcile.reconcile(1)
    assert (report.done, report.failed) == (len(sizes), {})
    assert cluster.equal(1)


async def test_large_and_small_files_are_healed_together(cluster):
    """Small ones in one request, large ones each in its own."""
    photos = [picture(number=1), long_picture(600_000), picture(number=2)]
    paths = [await cluster.keep(photo) for photo in photos]
    for path in paths:
        cluster.path("west-1", path).unlink()
    report = await cluster.master.reconcile.reconcile(1)
    assert (report.done, report.copied_bytes) == (3, sum(map(len, photos)))
    assert [cluster.holders(path)["west-1"] for path in paths] == photos


async def test_more_files_than_a_batch_has_room_for_are_healed_in_one_pass(cluster):
    """And both mirrors say the same of every shard."""
    for number in range(150):
        cluster.write(
            "east-1", f"1/k7/01jd3x8m2c9{number:03d}k7_3fz8qd_o.jpg", str(number).encode()
        )
    report = await cluster.master.reconcile.reconcile(1)
    assert (report.done, report.failed) == (150, {})
    assert cluster.mirrors_are_equal(1)


async def test_a_healed_copy_has_the_same_second_as_the_other(cluster):
    """So that its ETag is the same."""
    path = await cluster.keep()
    cluster.path("west-1", path).unlink()
    await cluster.mend()
    assert len({cluster.path(node, path).stat().st_mtime_ns for node in HOMES}) == 1


async def test_a_delete_in_the_middle_of_a_repair_wins(cluster):
    """The plan still says to copy; the tombstone is there when the copy comes."""
    answer = await cluster.upload()
    cluster.path("west-1", answer.original).unlink()
    found = await cluster.master.reconcile.plan(1)
    await cluster.master.delete(answer.version)
    report = await cluster.master.reconcile.apply(found.plan)
    assert (report.done, report.failed) == (0, {})
    assert (await cluster.read(answer.original, at="west-1")).status == 410
    assert cluster.visible("west-1") == cluster.visible("east-1")


async def test_comparing_equal_mirrors_costs_a_stat_a_shard(cluster, monkeypatch):
    """No directory is listed and no file opened, however many there are."""
    paths = [await cluster.keep(picture(number=number)) for number in range(5)]
    shards = [cluster.path(node, f"1/{shard}") for node in HOMES for shard in SHARDS]
    remove_hint(shards)
    assert (await cluster.plan())["equal"]
    calls = Counter()
    roots = {cluster.path(node, "1").parent for node in HOMES}
    with monkeypatch.context() as patch:
        for name in ("stat", "list", "open_to_read", "digest_open", "read_at"):
            patch.setattr(
                DiskFileSystem, name, counting(calls, roots, getattr(DiskFileSystem, name))
            )
        assert (await cluster.plan())["equal"]
    assert calls == {"stat": len(shards)}
    touch(cluster.path(node, path).parent for node in HOMES for path in paths)


def remove_hint(directories):
    """Have directories that were last changed a while ago."""
    for directory in directories:
        before = directory.stat().st_mtime - MTIME_SETTLE_SECONDS - 1
        os.utime(directory, (before, before))


def touch(directories):
    """Have directories that were changed just now, as the cluster's wiping goes by that."""
    for directory in directories:
        os.utime(directory)


def counting(calls, roots, call):
    """A call that is counted by its name, below these roots and of what volumes have there.

    Nodes of other tests may live in this process, and every node looks at what it owes.
    """

    def counted(file_system, about, *more):
        if file_system.root in roots and not str(about).startswith("."):
            calls[call.__name__] += 1
        return call(file_system, about, *more)

    return counted


async def test_a_copy_that_lost_its_digest_is_settled_by_the_other_mirror(cluster):
    """It is not sent meanwhile, and its bytes are no licence to delete."""
    photo = picture()
    path = await cluster.keep(photo)
    on_disk = cluster.path("west-1", path)
    on_disk.chmod(0o644)
    os.removexattr(on_disk, "user.sha256")
    os.utime(on_disk.parent)
    got = await cluster.read(path)
    assert (got.status, got.body) == (200, photo)
    assert (await cluster.read(path, at="west-1")).status == 502
    await cluster.mend()
    assert (await cluster.read(path, at="west-1")).body == photo


async def test_strangers_and_unfinished_files_are_not_copied(cluster):
    """What another program left in a shard, or a write that never ended."""
    path = await cluster.keep()
    shard = cluster.path("east-1", path).parent
    (shard / ".photo.jpg.Xyz").write_bytes(b"left by rsync")
    (cluster.root("east-1") / ".staging" / "1-1").write_bytes(b"unfinished")
    await cluster.mend()
    assert cluster.visible("west-1") == {path}
    (shard / ".photo.jpg.Xyz").unlink()
    (cluster.root("east-1") / ".staging" / "1-1").unlink()
