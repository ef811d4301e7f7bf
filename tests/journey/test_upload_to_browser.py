"""Journey of a photo through real servers: upload, two colos, every size, every edge."""

import io
from urllib.parse import urlsplit

import pytest
from PIL import Image

from permission_urls import ReadSigner, load_keys
from tests.journey.running_cluster import EDGES, fetch, wait_until


def test_original_is_byte_for_byte_on_two_nodes_in_two_colos(cluster, shared_photo):
    """The copies of the receipt are files with exactly the uploaded bytes."""
    data, receipt, _ = shared_photo
    files = cluster.files_of(receipt.reference)
    name = f"{receipt.photo}_{receipt.version}_o.jpg"
    assert {copy.node for copy in receipt.copies} == set(files)
    assert {copy.colo for copy in receipt.copies} == {"east", "west"}
    assert all(found[name] == data for found in files.values())


def test_both_mirrors_hold_the_same_names_and_bytes(cluster, shared_photo):
    """Sizes and info are mirrored like the original."""
    _, receipt, _ = shared_photo
    east, west = cluster.files_of(receipt.reference).values()
    assert east == west
    assert f"{receipt.photo}_{receipt.version}.json" in east


@pytest.mark.parametrize("edge", EDGES)
def test_every_size_opens_through_every_edge(cluster, shared_photo, edge):
    """Each URL of the receipt gives an image of its size."""
    _, receipt, status = shared_photo
    widths = {v["size"]: (v["width"], v["height"]) for v in status.info["variants"]}
    assert set(receipt.urls) == {*widths, "o"}
    for letter, url in receipt.urls.items():
        code, headers, body = fetch(cluster, edge, url)
        assert code == 200, (letter, body)
        assert headers["Content-Type"] == "image/jpeg"
        with Image.open(io.BytesIO(body)) as picture:
            assert picture.size == widths.get(letter, (receipt.width, receipt.height))


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("turn", ["cold", "warm"])
def test_edges_respond_as_browsers_and_balancers_expect(cluster, shared_photo, edge, turn):
    """Conditionals, ranges, HEAD, and OPTIONS work, from nodes and from caches."""
    data, receipt, _ = shared_photo
    url = receipt.urls["o"]
    code, headers, body = fetch(cluster, edge, url, headers={"Range": "bytes=10-19"})
    assert (code, body) == (206, data[10:20]), turn
    etag = headers["ETag"]
    assert fetch(cluster, edge, url, headers={"If-None-Match": etag})[0] == 304
    code, headers, body = fetch(cluster, edge, url, method="HEAD")
    assert (code, headers["Content-Length"], body) == (200, str(len(data)), b"")
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    code, headers, _ = fetch(cluster, edge, url, method="OPTIONS")
    assert code in {200, 204}
    assert "GET" in headers["Allow"]
    assert fetch(cluster, edge, url, method="POST")[0] == 405


@pytest.mark.parametrize("edge", EDGES)
def test_rejections_are_one_constant_403(cluster, shared_photo, edge):
    """A missing permission, another photo's, and another class's give the same response."""
    _, receipt, _ = shared_photo
    path = urlsplit(receipt.urls["m"]).path
    stem, key, expiry, mac, ext = path.split(".")
    web, large = receipt.urls["m"], receipt.urls["o"]
    wrong = [
        f"{stem}.{ext}",
        f"{stem}.{key}.{expiry}.{'A' * 24}.{ext}",
        f"{stem}.{key}.1.{mac}.{ext}",
        f"{stem}.b.{expiry}.{mac}.{ext}",
        web.replace(mac, urlsplit(large).path.split(".")[3]),
    ]
    answers = {fetch(cluster, edge, urlsplit(url).path)[::2] for url in wrong}
    assert len(answers) == 1
    assert answers.pop()[0] == 403


@pytest.mark.parametrize("edge", EDGES)
def test_a_photo_that_does_not_exist_is_404(cluster, edge):
    """A valid permission for a photo that does not exist."""
    signer = ReadSigner(load_keys(cluster.data / "keys.toml"))
    url = signer.url("1/zz/000000000000zzzz_zzzzzz_m.jpg", size_class="web")
    assert fetch(cluster, edge, url)[0] == 404


def test_after_rm_every_edge_returns_410(cluster, jpeg):
    """All edges purge every variant within a second after the delete returns."""
    with cluster.client() as client:
        receipt = client.put(jpeg(2))
        client.wait_until_ready(receipt.reference, timeout_seconds=60)
        for edge in EDGES:
            assert fetch(cluster, edge, receipt.urls["m"])[0] == 200
        deletion = client.delete(receipt.reference)
    assert set(deletion.purged) == set(EDGES)
    for edge in EDGES:
        wait_until(
            f"410 from {edge}",
            lambda edge=edge: fetch(cluster, edge, receipt.urls["m"])[0] == 410,
            seconds_max=5,
        )
        assert fetch(cluster, edge, receipt.urls["o"])[0] == 410
