"""Varnish skips the MAC check only for the URL that fetched the object."""

import subprocess
import time
from dataclasses import replace

import pytest

from proxy_config import VarnishSettings, render_varnish
from tests.proxy_config.edge_requests import (
    READ_KEYS,
    in_seconds,
    new_photo_path,
    send_request,
    sign,
)
from tests.proxy_config.fake_node import bytes_of

NOTES = {"photo-opened", "photo-until", "photo-expiry"}


@pytest.fixture(name="varnish_edge", scope="module")
def _varnish_edge(varnish, cluster):
    return varnish(cluster, "varnish", READ_KEYS)


def other_mac(url):
    """Return the same URL with a wrong MAC."""
    stem, key, expiry, mac, ext = url.split(".")
    return ".".join([stem, key, expiry, ("B" if mac[0] == "A" else "A") + mac[1:], ext])


@pytest.mark.parametrize("expiry", [None, 3600], ids=["permanent", "expiring"])
def test_every_other_url_of_a_cached_photo_is_checked(varnish_edge, expiry):
    """Every other URL of a cached photo is checked, in any order."""
    path = new_photo_path()
    first = sign(path) if expiry is None else sign(path, expiry=in_seconds(expiry))
    others = [sign(path, key_id="b2"), sign(path, expiry=in_seconds(1800))]
    wrong = [
        other_mac(first),
        *map(other_mac, others),
        sign(path, size_class="large"),
        sign(path, expiry=1),
        first.replace(".jpg", ".x.jpg"),
        f"{first}.",
    ]
    for _ in range(3):
        assert send_request(varnish_edge.address, first).body == bytes_of(path)
        assert [send_request(varnish_edge.address, url).status for url in others] == [200] * len(
            others
        )
        assert {send_request(varnish_edge.address, url).status for url in wrong} == {403}


def test_a_wrong_url_that_comes_first_opens_nothing_later(varnish_edge, nodes):
    """An invalid first URL reaches no node and caches nothing."""
    path = new_photo_path()
    wrong = other_mac(sign(path))
    count = nodes[0].request_count(path)
    assert send_request(varnish_edge.address, wrong).status == 403
    assert nodes[0].request_count(path) == count
    assert send_request(varnish_edge.address, sign(path)).status == 200
    assert send_request(varnish_edge.address, wrong).status == 403


def test_an_expired_url_is_forbidden_for_a_cached_photo(varnish_edge):
    """An expired URL is forbidden, although its object is cached."""
    path = new_photo_path()
    expiry = in_seconds(2)
    url = sign(path, expiry=expiry)
    response = send_request(varnish_edge.address, url)
    assert response.status == 200
    again = send_request(varnish_edge.address, url)
    assert (again.status, again.body) == (200, response.body)
    assert int(again.headers["cache-control"].removeprefix("public, max-age=")) <= 2
    time.sleep(max(0.0, expiry - time.time()) + 0.01)
    assert send_request(varnish_edge.address, url).status == 403
    assert send_request(varnish_edge.address, sign(path)).status == 200


def test_a_retired_key_does_not_open_cached_photos(varnish, make_cluster, nodes):
    """After a reload without a key, its URLs are forbidden, although objects stay cached."""
    cluster = make_cluster({"42": [node.port for node in nodes]})
    edge = varnish(cluster, "varnish", READ_KEYS)
    path = new_photo_path()
    old, new = sign(path, key_id="b2"), sign(path, key_id="a")
    assert [send_request(edge.address, url).status for url in (old, old, new)] == [200, 200, 200]
    chosen = VarnishSettings(
        edge_id="varnish", cache_bytes=64 * 2**20, run_dir=str(edge.folder / "run")
    )
    left = {key_id: key for key_id, key in READ_KEYS.items() if key_id != "b2"}
    folder = edge.folder / "fewer"
    folder.mkdir()
    for name, text in render_varnish(cluster, chosen, left).items():
        (folder / name).write_text(text)
    for command in (["vcl.load", "fewer", f"{folder}/edge.vcl"], ["vcl.use", "fewer"]):
        argv = ["varnishadm", "-n", str(edge.run_dir / "varnish"), *command]
        subprocess.run(argv, check=True, capture_output=True)
    assert send_request(edge.address, new).status == 200
    assert send_request(edge.address, old).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Range": "bytes=0-3"},
        {"If-None-Match": "*"},
        {"Photo-Opened": "x", "Photo-Until": "9999999999", "Photo-Expiry": "9999999999"},
    ],
    ids=["whole", "a part", "not modified", "a client that names them"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_response_has_the_stored_url(varnish_edge, method, headers):
    """No response contains the stored URL, which has another client's permission."""
    path = new_photo_path()
    first, second = sign(path, expiry=in_seconds(60)), sign(path)
    for url in (first, first, second, second):
        response = send_request(varnish_edge.address, url, method=method, headers=headers)
        assert response.status < 400
        assert not NOTES & response.headers.keys()
        assert first.split(".")[3] not in str(response.headers)
    assert "immutable" in send_request(varnish_edge.address, second).headers["cache-control"]


def test_the_fingerprint_depends_on_keys_and_classes(cluster):
    """The fingerprint depends on the keys and the size classes."""
    choices = VarnishSettings(edge_id="varnish", cache_bytes=2**20, run_dir="/run/x")

    def fingerprint(of_cluster, keys):
        vcl = render_varnish(of_cluster, choices, keys)["edge.vcl"]
        (line,) = (line for line in vcl.splitlines() if "beresp.http.Photo-Opened" in line)
        return line.split('"')[1]

    fewer = dict(list(READ_KEYS.items())[:-1])
    swapped = dict(zip(READ_KEYS, reversed(READ_KEYS.values()), strict=True))
    other_sizes = replace(cluster, sizes=cluster.sizes[:-1])
    found = [
        fingerprint(cluster, READ_KEYS),
        fingerprint(cluster, fewer),
        fingerprint(cluster, swapped),
        fingerprint(other_sizes, READ_KEYS),
    ]
    assert len(set(found)) == len(found)
    assert fingerprint(cluster, dict(reversed(READ_KEYS.items()))) == found[0]
