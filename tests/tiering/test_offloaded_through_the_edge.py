"""An offloaded volume behind nginx: the URLs stay the same, and all operations work."""

import json
import urllib.error
import urllib.request

import pytest

from drill.cluster.faulty_s3_proxy import is_photo_read
from storagemaster.wire import REGENERATE
from tests.tiering_cluster import COLD, DISKS, MOVED, SIZES, VOLUME, photo_bytes
from volumes.photo_path import Variant, parse_photo_version


@pytest.fixture(name="offloaded")
def _offloaded(cluster, photo_version):
    """Return a photo whose original and large sizes are only in the bucket."""
    assert cluster.glassplate("volume", "offload", VOLUME, "--to", COLD, "--apply").exit_code == 0
    # On a busy machine some call may have been given up, and a node be taken for down.
    cluster.run(cluster.master.fleet.poll())
    return photo_version


def get(edge, path):
    """Return the status and the body of the edge's response."""
    try:
        with urllib.request.urlopen(f"http://{edge.address}{path}", timeout=20) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def every_size(cluster, edge, photo_version):
    """Return the edge's responses for all sizes, by size."""
    return {size: get(edge, cluster.url_of(photo_version, size)) for size in SIZES}


def good(photo_version, bytes_from=None):
    """Return the expected responses for all sizes, with the bytes of another version if given."""
    return {
        size: (200, photo_bytes(Variant(bytes_from or photo_version, size, "jpg")))
        for size in SIZES
    }


def test_an_offloaded_size_is_fetched_from_the_bucket_once(cluster, edge, offloaded, s3):
    """The edge caches it, and its URL stays the same."""
    s3.requests.clear()
    assert every_size(cluster, edge, offloaded) == good(offloaded)
    fetched = [path for method, path in s3.requests if is_photo_read(method, path)]
    assert len(fetched) == len(MOVED)
    s3.requests.clear()
    assert every_size(cluster, edge, offloaded) == good(offloaded)
    assert s3.requests == []


def test_with_the_bucket_down_cached_and_small_sizes_are_served(cluster, edge, offloaded, s3):
    """Other sizes return an error, not 404, until the bucket is back."""
    original = cluster.url_of(offloaded, "o")
    assert get(edge, original)[0] == 200
    with s3.failing(hang_up=True):
        assert get(edge, original)[0] == 200
        assert get(edge, cluster.url_of(offloaded, "m"))[0] == 200
        assert get(edge, cluster.url_of(offloaded, "k"))[0] in {502, 503, 504}
    cluster.poll_until_bucket_answers()
    assert get(edge, cluster.url_of(offloaded, "k"))[0] == 200


def test_a_deleted_photo_is_gone_from_edge_disks_and_bucket(cluster, edge, offloaded):
    """A cached photo is purged as well."""
    assert every_size(cluster, edge, offloaded) == good(offloaded)
    result = cluster.glassplate("rm", f"{offloaded}", "--yes", "--json")
    assert result.exit_code == 0, result.output
    (deleted,) = json.loads(result.stdout)["deleted"]
    assert (deleted["pending_mirrors"], deleted["purge_pending"]) == ([], [])
    assert {status for status, _ in every_size(cluster, edge, offloaded).values()} == {410}
    assert [cluster.sizes_on(node, offloaded) for node in (*DISKS, COLD)] == ["", "", ""]


def test_a_revoked_photo_has_all_its_sizes_under_new_urls(cluster, edge, offloaded):
    """The bucket copies its offloaded sizes, and old URLs return 410 although they were cached."""
    assert every_size(cluster, edge, offloaded) == good(offloaded)
    document = cluster.glassplate_json("revoke", offloaded, "--yes")
    new = parse_photo_version(document["reference"])
    assert every_size(cluster, edge, new) == good(new, bytes_from=offloaded)
    assert {status for status, _ in every_size(cluster, edge, offloaded).values()} == {410}
    cluster.delete_later(new)


def test_a_photo_is_not_revoked_while_its_bucket_is_down(cluster, offloaded, s3, monkeypatch):
    """The revocation would lose the original."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    with s3.failing(hang_up=True):
        result = cluster.glassplate("revoke", offloaded, "--yes")
        assert result.exit_code == 1
        assert "nothing was revoked" in " ".join(result.output.split())
    for size in SIZES:
        assert cluster.browse(offloaded, size)[0] == 200
    assert cluster.sizes_on(COLD, offloaded) == "".join(sorted(SIZES))
    cluster.poll_until_bucket_answers()
    document = cluster.glassplate_json("revoke", offloaded, "--yes")
    cluster.delete_later(parse_photo_version(document["reference"]))


def test_an_offloaded_photo_is_regenerated(cluster, edge, offloaded):
    """The original of the new version is in the bucket, and the edge serves it from there."""
    request = json.dumps({"photo": str(offloaded), "recipe": "another"}).encode()
    response = cluster.run(cluster.master.request("POST", REGENERATE.path(), data=request))
    assert response.status == 202
    new = parse_photo_version(response.document["regenerated"])
    assert new.version != offloaded.version
    original = photo_bytes(Variant(offloaded, "o", "jpg"))
    assert get(edge, cluster.url_of(new, "o")) == (200, original)
    assert every_size(cluster, edge, offloaded) == good(offloaded)
    cluster.delete_later(new)
