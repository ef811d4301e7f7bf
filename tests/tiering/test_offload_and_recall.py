"""Chilling a volume to a bucket and thawing it, by command, with every step failing once."""

import json

import pytest

from drill.cluster.faulty_s3_proxy import is_photo_read
from storagenode.client import NodeClient
from storagenode.protocol.errors import Conflict, Unreachable
from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import MTIME
from tests.tiering_cluster import COLD, DISKS, MOVED, SIZES, VOLUME, photo_bytes
from volumes.photo_path import Variant, VersionTombstone

SMALL = "bm"


def chill(cluster):
    """Chill the volume, and say what was done."""
    result = cluster.glassplate("volume", "offload", VOLUME, "--to", COLD, "--apply", "--json")
    return result.exit_code, json.loads(result.stdout)


def test_the_plan_is_shown_and_changes_nothing(cluster, photo_version):
    """How much would be copied, and how much freed; the exit status says that something is left."""
    result = cluster.glassplate("volume", "offload", VOLUME, "--to", COLD)
    assert result.exit_code == 1
    assert "files of" in result.stdout
    assert "--apply does it" in result.stderr
    plan = cluster.glassplate_json("volume", "offload", VOLUME, "--to", COLD, exit_code=1)["plan"]
    assert plan["files"] >= 3
    assert plan["freed_bytes"] == 2 * plan["bytes"]
    assert cluster.sizes_on("east-1", photo_version) == "".join(sorted(SIZES))


def test_originals_and_large_sizes_go_to_the_bucket_and_are_read_through_it(cluster, photo_version):
    """By the URLs they have always had; small ones stay on the disks, and in the bucket too."""
    code, document = chill(cluster)
    assert code == 0
    assert document["moved"] == document["plan"]["files"]
    assert document["skipped"] == {}
    for node in DISKS:
        assert cluster.sizes_on(node, photo_version) == SMALL
    assert cluster.sizes_on(COLD, photo_version) == "".join(sorted(SIZES))
    for size in SIZES:
        status, data, node = cluster.browse(photo_version, size)
        assert (status, data) == (200, photo_bytes(Variant(photo_version, size, "jpg")))
        assert node == (COLD if size in MOVED else "east-1")
    (volume,) = cluster.glassplate_json("status")["volumes"]
    assert volume["cold_nodes"] == [COLD]
    shown = " ".join(cluster.glassplate("status").stdout.split())
    assert f"42 open, offloaded to {COLD} " in shown


def test_reconcile_leaves_alone_what_was_moved_and_repairs_all_else(cluster, photo_version):
    """Equal mirrors are those that have what each is to have."""
    chill(cluster)
    assert cluster.glassplate("diff", VOLUME).exit_code == 0
    lost = (
        cluster.stores["east-1"].file_system.root / Place(Variant(photo_version, "m", "jpg")).path
    )
    lost.unlink()
    assert cluster.glassplate("repair", VOLUME, "--apply").exit_code == 0
    assert lost.exists()
    assert cluster.sizes_on("east-1", photo_version) == SMALL


def test_a_photo_that_comes_later_is_moved_by_the_next_chill(cluster, photo_version):
    """Until then the disks have it, and the bucket has a copy."""
    chill(cluster)
    late = cluster.put_photo(900 + int(photo_version.photo[10:14]))
    assert cluster.glassplate("repair", VOLUME, "--apply").exit_code == 0
    assert cluster.sizes_on(COLD, late) == cluster.sizes_on("west-1", late)
    assert chill(cluster)[1]["moved"] == 3
    assert cluster.sizes_on("west-1", late) == SMALL


def test_a_thaw_brings_everything_back(cluster, photo_version):
    """And the bucket keeps its copies."""
    chill(cluster)
    plan = cluster.glassplate("volume", "recall", VOLUME)
    assert plan.exit_code == 1
    assert "to copy" in plan.stdout
    assert cluster.glassplate("volume", "recall", VOLUME, "--apply").exit_code == 0
    for node in (*DISKS, COLD):
        assert cluster.sizes_on(node, photo_version) == "".join(sorted(SIZES))
    assert cluster.glassplate("diff", VOLUME).exit_code == 0
    assert "offloaded" not in cluster.glassplate("status").stdout


STEPS = ("pull", "restore_digest", "drop_copy", "set_cold_tier")


@pytest.mark.parametrize("step", STEPS)
def test_a_chill_that_breaks_off_anywhere_loses_nothing_and_is_gone_on_with(
    cluster, photo_version, step, monkeypatch
):
    """At the first such call or the second: there are as many good copies as before, and later."""
    assert step == "pull" or cluster.glassplate("repair", VOLUME, "--apply").exit_code == 0
    real = getattr(NodeClient, step)
    for failing in (1, 2):
        calls = 0

        async def break_off(self, *arguments, _failing=failing, **options):
            nonlocal calls
            calls += 1
            if calls == _failing:
                raise Unreachable("the storagemaster died here")
            return await real(self, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(NodeClient, step, break_off)
            cluster.glassplate("volume", "offload", VOLUME, "--to", COLD, "--apply")
        assert calls or failing > 1
        cluster.run(cluster.master.fleet.poll())
        for size in MOVED:
            assert cluster.good_copies(photo_version, size) >= 2
            assert cluster.browse(photo_version, size)[0] == 200
    assert chill(cluster)[0] == 0
    assert cluster.sizes_on("west-1", photo_version) == SMALL


def test_a_copy_that_reads_back_wrong_is_the_end_of_no_other(cluster, photo_version, s3):
    """What the bucket gives back is compared before anything is let go of."""
    assert cluster.glassplate("repair", VOLUME, "--apply").exit_code == 0
    wrong = Place(Variant(photo_version, "o", "jpg")).path
    with s3.failing(flip=True, applies=lambda m, p: is_photo_read(m, p) and wrong in p):
        code, document = chill(cluster)
    assert code == 1
    assert "SHA-256" in document["skipped"][wrong]
    assert "o" in cluster.sizes_on("east-1", photo_version)
    assert "o" in cluster.sizes_on("west-1", photo_version)
    assert chill(cluster)[0] == 0
    assert cluster.sizes_on("east-1", photo_version) == SMALL
    assert cluster.sizes_on(COLD, photo_version) == "".join(sorted(SIZES))


def test_with_a_bucket_that_is_gone_nothing_is_moved(cluster, photo_version, s3, monkeypatch):
    """And every photo is served as before."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    with s3.failing(hang_up=True):
        answer = cluster.run(cluster.master.request("GET", f"/tiering/{VOLUME}?to={COLD}"))
        assert answer.status == 503
        assert "does not answer" in answer.document["detail"]
        for size in SIZES:
            assert cluster.browse(photo_version, size)[::2] == (200, "east-1")
    assert cluster.sizes_on("west-1", photo_version) == "".join(sorted(SIZES))


def test_a_deleted_photo_is_gone_from_the_bucket_too(cluster, photo_version):
    """A tombstone wins, wherever it comes first."""
    chill(cluster)
    tombstone = Place(VersionTombstone(photo_version))
    cluster.run(cluster.clients["east-1"].write_tombstone(tombstone, mtime_seconds=MTIME))
    assert cluster.glassplate("repair", VOLUME, "--apply").exit_code == 0
    for size in SIZES:
        assert cluster.browse(photo_version, size)[0] == 410
    assert cluster.sizes_on(COLD, photo_version) == ""
    assert chill(cluster)[0] == 0


def test_a_chill_that_would_leave_fewer_copies_is_refused(cluster, photo_version):
    """Or one to a node that is no mirror, or to another than before; each with what to do."""
    for cold_nodes, words in (
        (["east-1"], "2 copies would be dropped, but east-1 stores 1"),
        (["nobody"], "not a mirror of volume 42: nobody; add it to `mirrors` in cluster.toml"),
    ):
        arguments = [part for cold_node in cold_nodes for part in ("--to", cold_node)]
        result = cluster.glassplate("volume", "offload", VOLUME, *arguments)
        assert result.exit_code == 1
        assert words in " ".join(result.output.split())
    chill(cluster)
    result = cluster.glassplate("volume", "offload", VOLUME, "--to", COLD, "--to", "east-1")
    assert "recall it first" in " ".join(result.output.split())
    assert cluster.good_copies(photo_version, "o") == 2


def test_a_node_lets_go_of_nothing_that_is_not_chilled(cluster, photo_version):
    """Whoever asks, and however well signed."""
    place = Place(Variant(photo_version, "o", "jpg"))
    note = cluster.run(cluster.clients["east-1"].stat(place))
    with pytest.raises(Conflict):
        cluster.run(cluster.clients["east-1"].drop_copy(place, note.digest))


def test_a_lost_disk_is_filled_from_the_bucket_alone(cluster, photo_version):
    """With every other disk lost, too; of a chilled volume it gets what it is to keep."""
    chill(cluster)
    for node in DISKS:
        cluster.lose_disk(node)
    shown = cluster.glassplate("restore", "east-1")
    assert shown.exit_code == 1
    assert "from cold-1" in shown.stdout
    for node in DISKS:
        document = cluster.glassplate_json("restore", node, "--apply")
        assert document["left"] == 0
        assert cluster.sizes_on(node, photo_version) == SMALL
    assert cluster.glassplate("volume", "recall", VOLUME, "--apply").exit_code == 0
    for node in DISKS:
        assert cluster.sizes_on(node, photo_version) == "".join(sorted(SIZES))


def test_a_restore_of_a_node_that_is_down_or_none_says_what_to_do(cluster, photo_version):
    """Mark the disk, start the node."""
    assert "there is no node nobody" in cluster.glassplate("restore", "nobody").output
    cluster.run(cluster.stop("west-1"))
    cluster.run(cluster.master.fleet.poll())
    try:
        result = cluster.glassplate("restore", "west-1")
        assert result.exit_code == 1
        assert "glassplate node init west-1" in " ".join(result.output.split())
    finally:
        cluster.run(cluster.start("west-1"))
        cluster.run(cluster.master.fleet.poll())
    assert cluster.good_copies(photo_version, "o") >= 2
