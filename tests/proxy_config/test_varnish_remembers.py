"""An object in Varnish knows the URL that it was fetched by, and is opened by no other for that."""

import subprocess
import time
from dataclasses import replace

import pytest

from proxy_config import VarnishSettings, render_varnish
from tests.proxy_config.edge_requests import READ_KEYS, ask, in_seconds, new_photo_path, sign
from tests.proxy_config.fake_node import bytes_of

NOTES = {"photo-opened", "photo-until", "photo-expiry"}


@pytest.fixture(name="varnish_edge", scope="module")
def _varnish_edge(varnish, cluster):
    return varnish(cluster, "varnish", READ_KEYS)


def other_mac(url):
    """The same URL, with a MAC of the right form that is not right."""
    stem, key, expiry, mac, ext = url.split(".")
    return ".".join([stem, key, expiry, ("B" if mac[0] == "A" else "A") + mac[1:], ext])


@pytest.mark.parametrize("expiry", [None, 3600], ids=["for ever", "that ends"])
def test_every_other_url_of_a_photo_that_is_there_is_checked(varnish_edge, expiry):
    """Wrong ones are forbidden, right ones opened, in whatever order they come."""
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
        assert ask(varnish_edge.address, first).body == bytes_of(path)
        assert [ask(varnish_edge.address, url).status for url in others] == [200] * len(others)
        assert {ask(varnish_edge.address, url).status for url in wrong} == {403}


def test_a_wrong_url_that_comes_first_opens_nothing_later(varnish_edge, nodes):
    """It asks no node and leaves nothing behind."""
    path = new_photo_path()
    wrong = other_mac(sign(path))
    asked = nodes[0].asked_for(path)
    assert ask(varnish_edge.address, wrong).status == 403
    assert nodes[0].asked_for(path) == asked
    assert ask(varnish_edge.address, sign(path)).status == 200
    assert ask(varnish_edge.address, wrong).status == 403


def test_a_url_that_was_good_is_none_when_its_time_is_over(varnish_edge):
    """Though what it was fetched by is remembered, and what it opened is there."""
    path = new_photo_path()
    expiry = in_seconds(2)
    url = sign(path, expiry=expiry)
    answer = ask(varnish_edge.address, url)
    assert answer.status == 200
    again = ask(varnish_edge.address, url)
    assert (again.status, again.body) == (200, answer.body)
    assert int(again.headers["cache-control"].removeprefix("public, max-age=")) <= 2
    time.sleep(max(0.0, expiry - time.time()) + 0.01)
    assert ask(varnish_edge.address, url).status == 403
    assert ask(varnish_edge.address, sign(path)).status == 200


def test_a_key_that_is_retired_opens_nothing_that_it_fetched(varnish, make_cluster, nodes):
    """The cache outlives a reload, and what its objects remember does not."""
    cluster = make_cluster({"42": [node.port for node in nodes]})
    edge = varnish(cluster, "varnish", READ_KEYS)
    path = new_photo_path()
    old, new = sign(path, key_id="b2"), sign(path, key_id="a")
    assert [ask(edge.address, url).status for url in (old, old, new)] == [200, 200, 200]
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
    assert ask(edge.address, new).status == 200
    assert ask(edge.address, old).status == 403


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
def test_no_client_is_told_what_is_remembered(varnish_edge, method, headers):
    """Somebody else's permission is in it."""
    path = new_photo_path()
    first, second = sign(path, expiry=in_seconds(60)), sign(path)
    for url in (first, first, second, second):
        answer = ask(varnish_edge.address, url, method=method, headers=headers)
        assert answer.status < 400
        assert not NOTES & answer.headers.keys()
        assert first.split(".")[3] not in str(answer.headers)
    assert "immutable" in ask(varnish_edge.address, second).headers["cache-control"]


def test_the_fingerprint_is_another_for_other_keys_and_other_classes(cluster):
    """So that a reload with any of them has everything checked anew."""
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
