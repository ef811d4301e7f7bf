"""An edge drops its cache on request, and stores the marks of storagemasters."""

import concurrent.futures
import time

import pytest

from tests.proxy_config.edge_requests import PURGE_SECONDS, new_photo_path, send_request, sign


def put_mark(edge, master, mark):
    """Store a mark; return the status."""
    return send_request(edge.purge, f"/sessions/{master}/{mark}", method="PUT").status


def mark_of(edge, master):
    """Return the mark of a storagemaster, or None."""
    response = send_request(edge.purge, f"/sessions/{master}")
    return response.body.decode() if response.status == 200 else None


def drop(edge):
    """Drop the cache, and wait until no worker serves a file that it has open."""
    assert send_request(edge.purge, "/drop", method="POST").status == 200
    time.sleep(PURGE_SECONDS)


@pytest.fixture(name="nginx_edge", scope="module")
def _nginx_edge(start_edge, make_cluster, nodes):
    """Run an nginx edge."""
    return start_edge("nginx", make_cluster({"42": [node.port for node in nodes]}))


def test_a_dropped_cache_serves_nothing_that_it_had(edge, nodes):
    """Photos are fetched again and cached again, also after a second drop."""
    paths = [new_photo_path() for _ in range(20)]
    for fetched in (1, 2, 3):
        for path in paths:
            for _ in range(2):
                assert send_request(edge.address, sign(path)).status == 200
            assert nodes[0].request_count(path) == fetched
        drop(edge)
    nodes[0].gone.update(paths)
    nodes[1].gone.update(paths)
    assert {send_request(edge.address, sign(path)).status for path in paths} == {410}


def test_a_fetch_that_ends_after_a_drop_is_not_served_again(edge, nodes):
    """It began before what the drop is for."""
    path = new_photo_path()
    nodes[0].sending.clear()
    with concurrent.futures.ThreadPoolExecutor() as threads:
        try:
            fetch = threads.submit(send_request, edge.address, sign(path))
            while not nodes[0].request_count(path):
                time.sleep(0.01)
            time.sleep(0.2)
            nodes[0].gone.add(path)
            nodes[1].gone.add(path)
            assert send_request(edge.purge, "/drop", method="POST").status == 200
        finally:
            nodes[0].sending.set()
        assert fetch.result().status == 200
    time.sleep(PURGE_SECONDS)
    assert send_request(edge.address, sign(path)).status == 410


def test_the_bytes_of_a_dropped_cache_are_removed(nginx_edge):
    """A drop frees the disk."""
    for _ in range(5):
        send_request(nginx_edge.address, sign(new_photo_path()))
    drop(nginx_edge)
    deadline = time.monotonic() + 30
    while files := [each for each in nginx_edge.cache_dir.rglob("*") if each.is_file()]:
        assert time.monotonic() < deadline, files
        time.sleep(0.05)


def test_each_storagemaster_has_a_mark_that_it_replaces(edge):
    """A drop keeps the marks."""
    assert mark_of(edge, "east") is None
    for mark in ("0123abcd", "clean"):
        assert put_mark(edge, "east", mark) == 200
        assert mark_of(edge, "east") == mark
    assert put_mark(edge, "west-2", "ff") == 200
    drop(edge)
    assert (mark_of(edge, "east"), mark_of(edge, "west-2")) == ("clean", "ff")
    assert mark_of(edge, "eas") is None


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/sessions/"),
        ("GET", "/sessions/../error.log"),
        ("GET", "/sessions/%2e%2e"),
        ("PUT", "/sessions/east"),
        ("PUT", "/sessions/../x/y"),
        ("PUT", "/sessions/east/A"),
        ("PUT", "/sessions/east/a/b"),
        ("DELETE", "/sessions/east"),
        ("GET", "/drop"),
    ],
)
def test_other_requests_change_nothing(edge, method, target):
    """Marks have plain names."""
    put_mark(edge, "east", "ab")
    assert send_request(edge.purge, target, method=method).status in {400, 404, 405}
    assert mark_of(edge, "east") == "ab"


@pytest.mark.parametrize("target", ["/sessions/north", "/drop"])
def test_clients_reach_neither_marks_nor_the_drop(edge, nodes, target):
    """The public address knows only photos."""
    put_mark(edge, "north", "secret")
    path = new_photo_path()
    send_request(edge.address, sign(path))
    for method in ("GET", "PUT", "POST"):
        response = send_request(edge.address, target, method=method)
        assert response.status in {400, 403, 405}
        assert b"secret" not in response.body
    send_request(edge.address, sign(path))
    assert nodes[0].request_count(path) == 1
