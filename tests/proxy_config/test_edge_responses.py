"""Responses of an edge. `tests/edges` has the properties shared with nodes."""

import pytest

from tests.proxy_config.edge_requests import (
    exchange,
    in_seconds,
    new_photo_path,
    parse_response,
    send_request,
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


def test_a_photo_has_the_headers_of_its_node(edge):
    """Bytes and validators come from the node, caching and safety headers from the edge."""
    path = new_photo_path()
    response = send_request(edge.address, sign(path))
    assert (response.status, response.body) == (200, bytes_of(path))
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["etag"] == etag_of(path)
    assert response.headers["last-modified"] == LAST_MODIFIED
    assert response.headers["cache-control"] == PERMANENT
    assert response.headers["accept-ranges"] == "bytes"
    assert SAFETY_HEADERS.items() <= response.headers.items()
    assert (
        not {"set-cookie", "vary", "via", "age", "x-varnish", "expires"} & response.headers.keys()
    )
    assert "glassplate" not in response.headers.get("server", "")


def test_a_range_fills_the_cache_with_the_whole_photo(edge, nodes):
    """A range request fills the cache with the whole photo."""
    path = new_photo_path()
    assert send_request(edge.address, sign(path), headers={"Range": "bytes=0-3"}).status == 206
    assert send_request(edge.address, sign(path)).body == bytes_of(path)
    assert nodes[0].request_count(path) == 1


def test_max_age_is_what_is_left_of_the_clients_own_permission(edge):
    """`max-age` is the remaining time of the client's own permission."""
    path = new_photo_path()
    for seconds in (500, 100, 300):
        response = send_request(edge.address, sign(path, expiry=in_seconds(seconds)))
        assert response.status == 200
        kind, _, age = response.headers["cache-control"].partition("max-age=")
        assert kind == "public, "
        assert seconds - 30 < int(age) <= seconds


@pytest.mark.parametrize("status", [404, 410])
def test_a_missing_photo(edge, nodes, status):
    """404 and 410 have constant bodies and are cached briefly."""
    path = new_photo_path()
    for node in nodes:
        (node.absent if status == 404 else node.gone).add(path)
    responses = [send_request(edge.address, sign(path)) for _ in range(2)]
    assert [response.status for response in responses] == [status, status]
    assert responses[0].body == {404: b"not found\n", 410: b"gone\n"}[status]
    seconds = {404: 1, 410: 60}[status]
    assert responses[0].headers["cache-control"] == f"public, max-age={seconds}"
    if status == 410:
        assert nodes[0].request_count(path) + nodes[1].request_count(path) == 1


@pytest.mark.parametrize("expiry", [0, 0xFFFFFFFF])
def test_a_get_with_a_body_is_refused(edge, expiry):
    """A GET with a body is rejected, because request smuggling uses it."""
    url = sign(new_photo_path(), expiry=expiry)
    for framing, body in (
        ("Content-Length: 5", "hello"),
        ("Transfer-Encoding: chunked", "0\r\n\r\n"),
    ):
        text = f"GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{framing}\r\n\r\n{body}"
        assert parse_response(exchange(edge.address, text.encode())).status == 400
    assert send_request(edge.address, url, headers={"Content-Length": "0"}).status == 200


def test_an_absolute_uri_means_what_its_path_means(edge):
    """A request with an absolute URI is equal to one with its path."""
    path = new_photo_path()
    assert send_request(edge.address, "http://photos.test" + sign(path)).body == bytes_of(path)
    assert send_request(edge.address, f"http://photos.test/{path}").status == 403


def test_internal_locations_are_closed_to_clients(edge):
    """Internal locations are forbidden without a permission."""
    for target in ("/-/reproxy/" + new_photo_path(), "/purge", "/-/", "/checked"):
        assert send_request(edge.address, target).status == 403


def test_a_volume_of_a_newer_map_is_unavailable(start_edge, make_cluster, make_nodes):
    """A valid URL of a volume that the edge does not know gives 503, which no cache keeps."""
    ports = [node.port for node in make_nodes(4)]
    for kind in ("nginx", "varnish"):
        edge = start_edge(kind, make_cluster({"1-5": ports[:2], "7": ports[2:]}))
        for expiry in (0, 0xFFFFFFFF):
            urls = {
                v: sign(new_photo_path(volume=v), expiry=expiry) for v in (1, 5, 6, 7, 8, 65535)
            }
            found = {volume: send_request(edge.address, url) for volume, url in urls.items()}
            assert {v for v, response in found.items() if response.status == 200} == {1, 5, 7}
            for response in (found[6], found[8], found[65535]):
                assert (response.status, response.body) == (503, b"unavailable\n")
                assert response.headers["retry-after"] == "1"
                assert response.headers["cache-control"] == "no-store"
            forged = urls[6].replace("/6/", "/9/", 1)
            assert send_request(edge.address, forged).status == 403
