"""Purge: a purged photo is fetched again within a second; purges are idempotent."""

import concurrent.futures
import json
import time

import pytest

from tests.proxy_config.edge_requests import (
    PURGE_SECONDS,
    READ_KEYS,
    Response,
    new_photo_path,
    purge,
    send_request,
    sign,
)


@pytest.fixture(name="nginx_edge", scope="module")
def _nginx_edge(nginx, make_cluster, nodes):
    """Run an nginx edge."""
    cluster = make_cluster({"42": [node.port for node in nodes]})
    return nginx(cluster, "nginx", READ_KEYS)


@pytest.mark.parametrize("url_of", [sign, lambda path: sign(path, expiry=0xFFFFFFFF)])
def test_a_purged_photo_is_a_miss(edge, nodes, url_of):
    """The first request after a purge goes to the node, and the next one is a hit."""
    paths = [new_photo_path() for _ in range(20)]
    for path in paths:
        send_request(edge.address, url_of(path))
        send_request(edge.address, url_of(path))
    assert {response.status for response in purge(edge, paths)} == {200}
    time.sleep(PURGE_SECONDS)
    for path in paths:
        assert nodes[0].request_count(path) == 1
        send_request(edge.address, url_of(path))
        assert send_request(edge.address, url_of(path)).status == 200
        assert nodes[0].request_count(path) == 2


def test_a_purge_reaches_the_urls_of_every_key(edge, nodes):
    """One path purges the copy that all permissions share."""
    path = new_photo_path()
    urls = [sign(path, key_id=key_id) for key_id in READ_KEYS]
    urls.append(sign(path, expiry=0xFFFFFFFF))
    for url in urls:
        send_request(edge.address, url)
    purge(edge, [path])
    for node in nodes:
        node.gone.add(path)
    time.sleep(PURGE_SECONDS)
    assert [send_request(edge.address, url).status for url in urls] == [410] * len(urls)


def test_a_fetch_that_ends_after_a_purge_is_not_served_again(edge, nodes):
    """A node cannot abort what the kernel of the edge has already."""
    path = new_photo_path()
    nodes[0].sending.clear()
    with concurrent.futures.ThreadPoolExecutor() as threads:
        try:
            fetch = threads.submit(send_request, edge.address, sign(path))
            while not nodes[0].request_count(path):
                time.sleep(0.01)
            for node in nodes:
                node.gone.add(path)
            assert {response.status for response in purge(edge, [path])} == {200}
        finally:
            nodes[0].sending.set()
        assert fetch.result().status == 200
    assert send_request(edge.address, sign(path)).status == 410


def test_a_photo_that_was_purged_twice_is_gone(edge, nodes):
    """The copies from before and after the first purge are both removed."""
    path = new_photo_path()
    for _ in range(2):
        send_request(edge.address, sign(path))
        assert {response.status for response in purge(edge, [path])} == {200}
        time.sleep(PURGE_SECONDS)
    assert nodes[0].request_count(path) == 2
    for node in nodes:
        node.gone.add(path)
    assert send_request(edge.address, sign(path)).status == 410


def test_other_photos_stay(edge, nodes):
    """Only the named photos are purged."""
    path, other = new_photo_path(), new_photo_path()
    send_request(edge.address, sign(path))
    send_request(edge.address, sign(other))
    purge(edge, [path])
    time.sleep(PURGE_SECONDS)
    send_request(edge.address, sign(other))
    assert nodes[0].request_count(other) == 1


def test_a_purge_can_be_repeated(edge):
    """Purging a photo that is not cached succeeds."""
    path = new_photo_path()
    send_request(edge.address, sign(path))
    for _ in range(3):
        assert {response.status for response in purge(edge, [path])} == {200}


def test_nginx_reports_how_many_it_had(nginx_edge):
    """The response counts the purged and the absent photos."""
    path, absent = new_photo_path(), new_photo_path()
    send_request(nginx_edge.address, sign(path))
    (response,) = purge(nginx_edge, [path, absent])
    assert json.loads(response.body) == {"purged": 1, "absent": 1}
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "paths",
    [
        [],
        ["../../etc/passwd"],
        ["42/00/01jd3x8m2c000000_3fz8qd_m"],
        ["42/00/01jd3x8m2c000000_3fz8qd_m.jpg.jpg"],
        ["/42/00/01jd3x8m2c000000_3fz8qd_m.jpg"],
        [new_photo_path() for _ in range(101)],
    ],
)
def test_nginx_rejects_an_invalid_list_of_photo_paths(nginx_edge, paths):
    """An invalid path rejects the whole list."""
    assert [response.status for response in purge(nginx_edge, paths)] == [400]


def test_nginx_takes_a_hundred_paths_at_once(nginx_edge):
    """One purge request accepts 100 paths."""
    (response,) = purge(nginx_edge, [new_photo_path() for _ in range(100)])
    assert json.loads(response.body) == {"purged": 0, "absent": 100}


def test_purging_while_everyone_reads_breaks_nothing(edge):
    """Concurrent reads stay correct during purges."""
    paths = [new_photo_path() for _ in range(5)]

    def read(number):
        return send_request(edge.address, sign(paths[number % 5])).status

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        reads = [threads.submit(read, number) for number in range(200)]
        purges = [threads.submit(purge, edge, paths) for _ in range(20)]
        assert {done.result() for done in reads} == {200}
        assert {response.status for done in purges for response in done.result()} == {200}


def test_the_purge_address_serves_no_photos(edge):
    """The purge address serves no photos."""
    assert send_request(edge.purge, sign(new_photo_path())).status in {404, 405}
    assert send_request(edge.purge, "/healthz").body == b"ok\n"


@pytest.mark.parametrize("kind", ["nginx", "varnish"])
def test_other_clients_cannot_purge(start_edge, make_cluster, nodes, kind):
    """A client outside of the allowed networks is rejected."""
    cluster = make_cluster({"42": [node.port for node in nodes]})
    edge = start_edge(kind, cluster, purge_networks=("10.0.0.0/8", "192.0.2.1"))
    path = new_photo_path()
    send_request(edge.address, sign(path))
    responses: list[Response] = purge(edge, [path])
    assert [response.status for response in responses] == [403]
    time.sleep(PURGE_SECONDS)
    send_request(edge.address, sign(path))
    assert nodes[0].request_count(path) == 1
