"""Varnish edges: external logs, and photos too large for the cache."""

import subprocess

import pytest

from tests.proxy_config.edge_requests import (
    READ_KEYS,
    in_seconds,
    new_photo_path,
    send_request,
    sign,
)
from tests.proxy_config.fake_node import Behavior, bytes_of

ZERO_BYTE_KEY = "ab00" + "cd" * 30


@pytest.fixture(name="varnish_edge", scope="module")
def _varnish_edge(varnish, cluster):
    return varnish(cluster, "varnish", READ_KEYS)


def test_a_log_has_the_photo_without_its_permission(varnish_edge):
    """The documented log format has the photo path and never a MAC."""
    path = new_photo_path()
    urls = [sign(path), sign(path, expiry=in_seconds(60)), sign(path, size_class="large")]
    for url in urls:
        send_request(varnish_edge.address, url, headers={"Photo-Path": "from/the/client"})
    log = subprocess.run(
        [
            "varnishncsa",
            "-d",
            "-n",
            str(varnish_edge.run_dir / "varnish"),
            "-F",
            "%m|%{VCL_Log:photo}x|%s",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert sorted(line for line in log.splitlines() if "healthz" not in line) == [
        f"GET|{path}|200",
        f"GET|{path}|200",
        "GET||403",
    ]
    assert not [url for url in urls if url.split(".")[3] in log]


def test_no_log_has_the_correct_mac(varnish_edge):
    """The log of a rejected request does not contain the correct MAC."""
    path = new_photo_path()
    good = sign(path)
    mac = good.split(".")[3]
    send_request(varnish_edge.address, good.replace(mac, "A" * 24))
    log = subprocess.run(
        ["varnishlog", "-d", "-n", str(varnish_edge.run_dir / "varnish")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "A" * 24 in log
    assert mac not in log


def test_a_photo_too_large_for_the_cache_passes_through(varnish, make_cluster, nodes):
    """A photo too large for the cache is fetched from a node each time, and evicts nothing."""
    path = new_photo_path(size="o")
    nodes[0].bytes_by_path[path] = bytes_of(path) * 20_000
    edge = varnish(make_cluster({"42": [node.port for node in nodes]}), "varnish", READ_KEYS)
    for count in (1, 2):
        response = send_request(edge.address, sign(path))
        assert (response.status, response.body) == (200, nodes[0].bytes_by_path[path])
        assert nodes[0].request_count(path) == count


def test_a_key_with_a_zero_byte_is_left_to_the_nodes(varnish, make_cluster, nodes):
    """URLs of a key with a zero byte are checked by a node and never cached."""
    cluster = make_cluster({"42": [node.port for node in nodes]})
    edge = varnish(cluster, "varnish", READ_KEYS | {"zero": ZERO_BYTE_KEY})
    path = new_photo_path()
    url = sign(path, key_id="zero", read_key=ZERO_BYTE_KEY)
    for count in (1, 2):
        response = send_request(edge.address, url)
        assert (response.status, response.body) == (200, bytes_of(path))
        assert "immutable" in response.headers["cache-control"]
        assert nodes[0].request_count(path) == count
    part = send_request(edge.address, url, headers={"Range": "bytes=0-3", "If-Match": "*"})
    assert (part.status, part.body) == (206, bytes_of(path)[:4])
    ending = sign(path, key_id="zero", read_key=ZERO_BYTE_KEY, expiry=in_seconds(100))
    assert (
        send_request(edge.address, ending).headers["cache-control"].startswith("public, max-age=")
    )
    over = sign(path, key_id="zero", read_key=ZERO_BYTE_KEY, expiry=1)
    assert send_request(edge.address, over).status == 403
    assert send_request(edge.address, sign(path)).status == 200


def test_a_403_from_a_node_is_final(varnish, make_cluster, make_nodes):
    """A 403 from a node is final; its mirror is not tried."""
    near, far = make_nodes(2)
    near.behavior = Behavior.FORBIDS
    edge = varnish(make_cluster({"42": [near.port, far.port]}), "varnish", READ_KEYS)
    path = new_photo_path()
    response = send_request(edge.address, sign(path))
    assert (response.status, response.body) == (403, b"forbidden\n")
    assert response.headers["cache-control"] == "no-store"
    assert (near.request_count(path), far.request_count(path)) == (1, 0)
