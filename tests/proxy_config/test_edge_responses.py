"""What an edge adds to the answers of its nodes; `tests/edges` has those that all share."""

import pytest

from tests.proxy_config.edge_requests import (
    ask,
    exchange,
    in_seconds,
    new_photo_path,
    parse_answer,
    sign,
)
from tests.proxy_config.fake_node import LAST_MODIFIED, bytes_of, etag_of

PERMANENT = "public, max-age=31536000, immutable"
SAFETY_HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "cross-origin",
}


def test_a_photo_comes_with_what_its_node_says_of_it(edge):
    """Bytes, type, ETag and Last-Modified are the node's; caching and safety are the edge's."""
    path = new_photo_path()
    answer = ask(edge.address, sign(path))
    assert (answer.status, answer.body) == (200, bytes_of(path))
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["etag"] == etag_of(path)
    assert answer.headers["last-modified"] == LAST_MODIFIED
    assert answer.headers["cache-control"] == PERMANENT
    assert answer.headers["accept-ranges"] == "bytes"
    assert SAFETY_HEADERS.items() <= answer.headers.items()
    assert not {"set-cookie", "vary", "via", "age", "x-varnish", "expires"} & answer.headers.keys()
    assert "glassplate" not in answer.headers.get("server", "")


def test_a_range_fills_the_cache_with_the_whole_photo(edge, nodes):
    """A part asked first makes the whole a hit."""
    path = new_photo_path()
    assert ask(edge.address, sign(path), headers={"Range": "bytes=0-3"}).status == 206
    assert ask(edge.address, sign(path)).body == bytes_of(path)
    assert nodes[0].asked_for(path) == 1


def test_max_age_is_what_is_left_of_the_clients_own_permission(edge):
    """A cached photo is not good for as long as another client's permission, nor as the node's."""
    path = new_photo_path()
    for seconds in (500, 100, 300):
        answer = ask(edge.address, sign(path, expiry=in_seconds(seconds)))
        assert answer.status == 200
        kind, _, age = answer.headers["cache-control"].partition("max-age=")
        assert kind == "public, "
        assert seconds - 30 < int(age) <= seconds


@pytest.mark.parametrize("status", [404, 410])
def test_a_photo_that_is_not_there(edge, nodes, status):
    """404 and 410 are the node's, with constant bodies, and are remembered for a moment."""
    path = new_photo_path()
    for node in nodes:
        (node.absent if status == 404 else node.gone).add(path)
    answers = [ask(edge.address, sign(path)) for _ in range(2)]
    assert [answer.status for answer in answers] == [status, status]
    assert answers[0].body == {404: b"not found\n", 410: b"gone\n"}[status]
    seconds = {404: 1, 410: 60}[status]
    assert answers[0].headers["cache-control"] == f"public, max-age={seconds}"
    if status == 410:
        assert nodes[0].asked_for(path) + nodes[1].asked_for(path) == 1


@pytest.mark.parametrize("expiry", [0, 0xFFFFFFFF])
def test_a_get_with_a_body_is_refused(edge, expiry):
    """Nobody who fetches a photo sends a body; what smuggles requests does."""
    url = sign(new_photo_path(), expiry=expiry)
    for framing, body in (
        ("Content-Length: 5", "hello"),
        ("Transfer-Encoding: chunked", "0\r\n\r\n"),
    ):
        text = f"GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{framing}\r\n\r\n{body}"
        assert parse_answer(exchange(edge.address, text.encode())).status == 400
    assert ask(edge.address, url, headers={"Content-Length": "0"}).status == 200


def test_an_absolute_uri_means_what_its_path_means(edge):
    """A proxy's way of asking opens no more than the usual one."""
    path = new_photo_path()
    assert ask(edge.address, "http://photos.test" + sign(path)).body == bytes_of(path)
    assert ask(edge.address, f"http://photos.test/{path}").status == 403


def test_internal_locations_are_closed_to_clients(edge):
    """What is the edge's own is forbidden like anything else without a permission."""
    for target in ("/-/reproxy/" + new_photo_path(), "/purge", "/-/", "/checked"):
        assert ask(edge.address, target).status == 403


def test_a_volume_that_no_node_has(start_edge, make_cluster, make_nodes):
    """A good permission for a volume that is not in the map is a 404."""
    ports = [node.port for node in make_nodes(4)]
    for kind in ("nginx", "varnish"):
        edge = start_edge(kind, make_cluster({"1-5": ports[:2], "7": ports[2:]}))
        for expiry in (0, 0xFFFFFFFF):
            statuses = [
                ask(edge.address, sign(new_photo_path(volume=volume), expiry=expiry)).status
                for volume in (1, 5, 6, 7, 8, 65535)
            ]
            assert statuses == [200, 200, 404, 200, 404, 404]
