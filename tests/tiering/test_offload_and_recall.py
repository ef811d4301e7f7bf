"""Offload of a volume to a bucket and its recall by command, with every step failing once."""

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


def offload(cluster):
    """Offload the volume, and return the exit status and the document."""
    result = cluster.glassplate("volume", "offload", VOLUME, "--to", COLD, "--apply", "--json")
    return result.exit_code, json.loads(result.stdout)


def test_the_plan_is_shown_and_changes_nothing(cluster, photo_version):
    """The plan shows the bytes to copy and to free, and exit status 1 means that files are left."""
    result = cluster.glassplate("volume", "offload", VOLUME, "--to", COLD)
    assert result.exit_code == 1
    assert "files of" in result.stdout
    assert "Use --apply" in result.stderr
    plan = cluster.glassplate_json("volume", "offload", VOLUME, "--to", COLD, exit_code=1)["plan"]
    assert plan["files"] >= 3
    assert plan["freed_bytes"] == 2 * plan["bytes"]
    assert cluster.sizes_on("east-1", photo_version) == "".join(sorted(SIZES))


def test_offloaded_sizes_are_read_from_the_bucket_by_the_same_urls(cluster, photo_version):
    """Small sizes stay on the disks, with a copy in the bucket."""
    code, document = offload(cluster)
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


def test_reconcile_keeps_offloaded_files_and_repairs_others(cluster, photo_version):
    """Mirrors of an offloaded volume are equal if each has the files that belong on it."""
    offload(cluster)
    assert cluster.glassplate("diff", VOLUME).exit_code == 0
    lost = (
        cluster.stores["east-1"].file_system.root / Place(Variant(photo_version, "m", "jpg")).path
    )
    lost.unlink()
    assert cluster.glassplate("repair", VOLUME, "--apply").exit_code == 0
    assert lost.exists()
    assert cluster.sizes_on("east-1", photo_version) == SMALL


def test_a_live_photo_of_an_offloaded_volume_is_not_undeleted(cluster, photo_version):
    """Its dropped originals are in the trash of the disks, and no tombstone covers them."""
    offload(cluster)
    result = cluster.glassplate("undelete", f"{VOLUME}/{photo_version.photo}")
    assert result.exit_code == 1
    assert "it was not deleted" in result.stderr


def test_a_later_photo_is_moved_by_the_next_offload(cluster, photo_version):
    """Until then the disks have it, and the bucket has a copy."""
    offload(cluster)
    late = cluster.put_photo(900 + int(photo_version.photo[10:14]))
    assert cluster.glassplate("repair", VOLUME, "--apply").exit_code == 0
    assert cluster.sizes_on(COLD, late) == cluster.sizes_on("west-1", late)
    assert offload(cluster)[1]["moved"] == 3
    assert cluster.sizes_on("west-1", late) == SMALL


def test_a_recall_copies_everything_back(cluster, photo_version):
    """The bucket keeps its copies."""
    offload(cluster)
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
def test_an_interrupted_offload_loses_no_copy_and_can_be_repeated(
    cluster, photo_version, step, monkeypatch
):
    """The first or the second call of a step fails. No copy is lost, and a repetition completes."""
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
    assert offload(cluster)[0] == 0
    assert cluster.sizes_on("west-1", photo_version) == SMALL


def test_a_cold_copy_that_reads_back_wrong_drops_no_other_copy(cluster, photo_version, s3):
    """The digest of the cold copy is verified before the other copies are dropped."""
    assert cluster.glassplate("repair", VOLUME, "--apply").exit_code == 0
    wrong = Place(Variant(photo_version, "o", "jpg")).path
    with s3.failing(flip=True, applies=lambda m, p: is_photo_read(m, p) and wrong in p):
        code, document = offload(cluster)
    assert code == 1
    assert "SHA-256" in document["skipped"][wrong]
    assert "o" in cluster.sizes_on("east-1", photo_version)
    assert "o" in cluster.sizes_on("west-1", photo_version)
    assert offload(cluster)[0] == 0
    assert cluster.sizes_on("east-1", photo_version) == SMALL
    assert cluster.sizes_on(COLD, photo_version) == "".join(sorted(SIZES))


def test_with_the_bucket_unreachable_nothing_is_moved(cluster, photo_version, s3, monkeypatch):
    """Every photo is served as before."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    with s3.failing(hang_up=True):
        response = cluster.run(cluster.master.request("GET", f"/tiering/{VOLUME}?to={COLD}"))
        assert response.status == 503
        assert COLD in response.document["detail"]
        for size in SIZES:
            assert cluster.browse(photo_version, size)[::2] == (200, "east-1")
    cluster.poll_until_bucket_answers()
    assert cluster.sizes_on("west-1", photo_version) == "".join(sorted(SIZES))


def test_a_delete_removes_the_photo_from_the_bucket(cluster, photo_version):
    """A tombstone on any mirror wins."""
    offload(cluster)
    tombstone = Place(VersionTombstone(photo_version))
    cluster.run(cluster.clients["east-1"].write_tombstone(tombstone, mtime_seconds=MTIME))
    assert cluster.glassplate("repair", VOLUME, "--apply").exit_code == 0
    for size in SIZES:
        assert cluster.browse(photo_version, size)[0] == 410
    assert cluster.sizes_on(COLD, photo_version) == ""
    assert offload(cluster)[0] == 0


def test_an_invalid_offload_is_refused_with_what_to_do(cluster, photo_version):
    """Too few copies, a node that is not a mirror, and a second cold tier are refused."""
    for cold_node, words in (
        ("east-1", "2 copies would be dropped, but east-1 stores 1"),
        ("cold-9", "not a mirror of volume 42: cold-9; add it to `mirrors` in cluster.toml"),
    ):
        result = cluster.glassplate("volume", "offload", VOLUME, "--to", cold_node)
        assert result.exit_code == 1
        assert words in " ".join(result.output.split())
    offload(cluster)
    result = cluster.glassplate("volume", "offload", VOLUME, "--to", COLD, "--to", "east-1")
    assert "recall it first" in " ".join(result.output.split())
    assert cluster.good_copies(photo_version, "o") == 2


def test_a_node_drops_no_copy_without_a_cold_tier(cluster, photo_version):
    """A signed request does not suffice."""
    place = Place(Variant(photo_version, "o", "jpg"))
    metadata = cluster.run(cluster.clients["east-1"].stat(place))
    with pytest.raises(Conflict):
        cluster.run(cluster.clients["east-1"].drop_copy(place, metadata.digest))


def test_a_cold_node_refuses_a_drop_that_was_captured_on_another(
    cluster, photo_version, monkeypatch
):
    """The receiver is signed, and a cold node keeps what only it has."""
    cluster.glassplate("repair", VOLUME, "--apply")
    real, sent = NodeClient._signature, []

    def capture(self, target, body=b""):
        headers = real(self, target, body)
        sent.append((target.path, headers))
        return headers

    with monkeypatch.context() as patch:
        patch.setattr(NodeClient, "_signature", capture)
        assert offload(cluster)[0] == 0
    drops = [(path, headers) for path, headers in sent if path.startswith("/drops/")]
    assert len(drops) >= len(MOVED) * len(DISKS)
    for path, headers in drops:
        assert cluster.run(cluster.post(COLD, path, headers)) == 403
    for size in MOVED:
        place = Place(Variant(photo_version, size, "jpg"))
        digest = cluster.run(cluster.clients[COLD].stat(place)).digest
        with pytest.raises(Conflict, match="is a cold node"):
            cluster.run(cluster.clients[COLD].drop_copy(place, digest))
    assert cluster.sizes_on(COLD, photo_version) == "".join(sorted(SIZES))


def test_a_lost_disk_is_filled_from_the_bucket_alone(cluster, photo_version):
    """Both disks are lost. Each gets only the files that belong on it."""
    offload(cluster)
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


def test_a_restore_of_an_unknown_or_down_node_says_what_to_do(cluster, photo_version):
    """Mark the disk, then start the node."""
    shown = cluster.glassplate("restore", "cold-9").output
    assert "cold-9" in shown
    assert "west-1" in shown
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
