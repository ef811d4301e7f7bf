"""A volume moves from disks to the buckets of two S3 servers and back, and loses nothing."""

import dataclasses
import itertools
import tempfile
from pathlib import Path

import pytest

from storagemaster.moves import moves
from storagenode.opening import mark_store
from tests.s3_servers import CREDENTIALS, make_bucket, moto_server, seaweedfs
from tests.storagemaster.moves.test_moves import (
    begin,
    restore_roots,
    run_passes,
    start_following,
    state,
    upload,
)
from tests.storagemaster.small_cluster import MIRRORS, SmallCluster, node_cluster
from volumes.photo_path import parse_path

DISKS, BUCKETS = MIRRORS[1], MIRRORS[2]

_numbers = itertools.count()


@pytest.fixture(name="servers", scope="module")
def _servers():
    """Return the URLs of two S3 servers by the node that keeps its files there."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        with moto_server(CREDENTIALS) as one, seaweedfs(Path(folder), CREDENTIALS) as other:
            for url in (one, other):
                make_bucket(url, "photos")
            yield dict(zip(BUCKETS, (one, other), strict=True))


@pytest.fixture(name="cluster")
def _cluster(runner, roots, patience, servers, monkeypatch):
    """Return a small cluster with a disk and a bucket in each colo."""
    assert patience is None
    monkeypatch.setattr(moves, "PAUSE_SECONDS", 0.0)
    clusters = []

    async def start(**options):
        clusters.append(SmallCluster(with_buckets(node_cluster(roots), servers), roots, **options))
        return await clusters[0].open()

    yield (cluster := runner.run(start_following(start)))
    restore_roots(cluster)
    runner.run(cluster.close())


def with_buckets(cluster, servers):
    """Return a cluster, some of whose nodes keep their files on an S3 server."""
    nodes = dict(cluster.nodes)
    for id_, url in servers.items():
        store = f"s3://photos/{id_}-{next(_numbers)}"
        nodes[id_] = dataclasses.replace(nodes[id_], store=store, endpoint=url, region="us-east-1")
        mark_store(nodes[id_])
    return dataclasses.replace(cluster, nodes=nodes)


async def move(cluster, *, to, leaving):
    """Move volume 1, and return when no stray is left."""
    await begin(cluster, joining=to, leaving=leaving)
    for _ in range(20):
        await run_passes(cluster)
        if all(1 not in cluster.stores[node].volumes for node in leaving):
            return
    raise AssertionError(f"the volume has not moved: {state(cluster)}")


def holders(cluster, path):
    """Return the nodes with a live and sound copy of a file."""
    nodes = [node for node, store in cluster.stores.items() if 1 in store.volumes]
    return {node for node in nodes if cluster.stores[node].read_all([parse_path(path)])}


def photo_of(path):
    """Return the photo of a file."""
    return parse_path(path).photo_version.photo


def trashed(cluster, node, path):
    """Return True if a file is in the trash of a node."""
    return bool(cluster.stores[node].list_trash(1, photo_of(path)))


async def delete(cluster, path):
    """Delete the photo of a file."""
    answer = await cluster.master.request("DELETE", f"/photos/1/{photo_of(path)}")
    assert (answer.status, answer.document["pending_mirrors"]) == (200, [])


async def test_a_volume_moves_from_disks_to_buckets_and_back(cluster):
    """With the same command. Photos of every stage are kept, and deleted ones stay deleted."""
    first, deleted = await upload(cluster), await upload(cluster, 2)
    await move(cluster, to=BUCKETS, leaving=DISKS)
    assert state(cluster) == (BUCKETS, (), ())
    assert holders(cluster, first) == set(BUCKETS)
    in_bucket, deleted_later = await upload(cluster, 3), await upload(cluster, 4)
    await delete(cluster, deleted)
    await move(cluster, to=DISKS, leaving=BUCKETS)
    assert state(cluster) == (DISKS, (), ())
    await delete(cluster, deleted_later)
    for path in (first, in_bucket):
        assert holders(cluster, path) == set(DISKS)
        assert all(trashed(cluster, node, path) for node in BUCKETS)
    for path in (deleted, deleted_later):
        assert holders(cluster, path) == set()
    for node in BUCKETS:
        assert [*cluster.stores[node].bucket.objects("1/")] == []


async def alerts(cluster, node):
    """Return the alerts of the status about volumes that the map does not give to a node."""
    await cluster.poll()
    document = (await cluster.master.request("GET", "/status")).document
    return [each for each in document["alerts"] if each.startswith(f"node {node} holds volumes")]


async def test_a_stray_in_a_bucket_stays_until_every_mirror_has_its_files(cluster):
    """The status names what it waits for: a mirror that is down, then the copies."""
    kept, stays = BUCKETS[0], DISKS[1]
    await begin(cluster, joining=(kept,))
    for _ in range(2):
        await run_passes(cluster)
    await upload(cluster)
    path = await upload(cluster, 2)
    for _ in range(2):
        await run_passes(cluster)
    assert holders(cluster, path) == {*DISKS, kept}
    await begin(cluster, mirrors=DISKS)
    await cluster.stop_and_notice(stays)
    for node in DISKS:
        cluster.path(node, path).unlink()
    for _ in range(3):
        await run_passes(cluster)
    (alert,) = await alerts(cluster, kept)
    assert "that the volume map does not give it (1): " in alert
    assert alert.endswith(f"They wait for {stays}, down")
    await cluster.start_and_notice(stays)
    await run_passes(cluster, repairs=False)
    (alert,) = await alerts(cluster, kept)
    assert alert.endswith("They wait for proof of equal files")
    assert holders(cluster, path) >= {kept}
    for _ in range(4):
        await run_passes(cluster)
    assert holders(cluster, path) == set(DISKS)
    assert trashed(cluster, kept, path)
    assert await alerts(cluster, kept) == []
