"""Purge: a photo is fetched anew within a second, by whoever may purge, as often as they like."""

import concurrent.futures
import json
import time

import pytest

from tests.proxy_config.edge_requests import (
    PURGE_SECONDS,
    READ_KEYS,
    Answer,
    ask,
    new_photo_path,
    purge,
    sign,
)


@pytest.fixture(name="nginx_edge", scope="module")
def _nginx_edge(nginx, make_cluster, nodes):
    """An nginx edge for what only nginx can do."""
    cluster = make_cluster({"42": [node.port for node in nodes]})
    return nginx(cluster, "nginx", READ_KEYS)


@pytest.mark.parametrize("url_of", [sign, lambda path: sign(path, expiry=0xFFFFFFFF)])
def test_a_purged_photo_is_a_miss(edge, nodes, url_of):
    """After a purge the node is asked again, and then the cache has it again."""
    paths = [new_photo_path() for _ in range(20)]
    for path in paths:
        ask(edge.address, url_of(path))
        ask(edge.address, url_of(path))
    assert {answer.status for answer in purge(edge, paths)} == {200}
    time.sleep(PURGE_SECONDS)
    for path in paths:
        assert nodes[0].asked_for(path) == 1
        ask(edge.address, url_of(path))
        assert ask(edge.address, url_of(path)).status == 200
        assert nodes[0].asked_for(path) == 2


def test_a_purge_reaches_the_urls_of_every_key(edge, nodes):
    """One path stands for all permissions that open it."""
    path = new_photo_path()
    urls = [sign(path, key_id=key_id) for key_id in READ_KEYS]
    urls.append(sign(path, expiry=0xFFFFFFFF))
    for url in urls:
        ask(edge.address, url)
    purge(edge, [path])
    for node in nodes:
        node.gone.add(path)
    time.sleep(PURGE_SECONDS)
    assert [ask(edge.address, url).status for url in urls] == [410] * len(urls)


def test_other_photos_stay(edge, nodes):
    """A purge takes what it names and nothing else."""
    path, other = new_photo_path(), new_photo_path()
    ask(edge.address, sign(path))
    ask(edge.address, sign(other))
    purge(edge, [path])
    time.sleep(PURGE_SECONDS)
    ask(edge.address, sign(other))
    assert nodes[0].asked_for(other) == 1


def test_a_purge_can_be_repeated(edge):
    """What is not there is purged all the same."""
    path = new_photo_path()
    ask(edge.address, sign(path))
    for _ in range(3):
        assert {answer.status for answer in purge(edge, [path])} == {200}


def test_nginx_says_how_many_it_had(nginx_edge):
    """The answer counts what was there and what was not."""
    path, absent = new_photo_path(), new_photo_path()
    ask(nginx_edge.address, sign(path))
    (answer,) = purge(nginx_edge, [path, absent])
    assert json.loads(answer.body) == {"purged": 1, "absent": 1}
    assert answer.headers["content-type"] == "application/json"


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
def test_nginx_refuses_what_is_no_list_of_photo_paths(nginx_edge, paths):
    """Nothing of a list is purged unless all of it makes sense."""
    assert [answer.status for answer in purge(nginx_edge, paths)] == [400]


def test_nginx_takes_a_hundred_paths_at_once(nginx_edge):
    """A photo's variants fit one request, and so do those of several."""
    (answer,) = purge(nginx_edge, [new_photo_path() for _ in range(100)])
    assert json.loads(answer.body) == {"purged": 0, "absent": 100}


def test_purging_while_everyone_reads_breaks_nothing(edge):
    """Reads stay right, whatever is purged under them."""
    paths = [new_photo_path() for _ in range(5)]

    def read(number):
        return ask(edge.address, sign(paths[number % 5])).status

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        reads = [threads.submit(read, number) for number in range(200)]
        purges = [threads.submit(purge, edge, paths) for _ in range(20)]
        assert {done.result() for done in reads} == {200}
        assert {answer.status for done in purges for answer in done.result()} == {200}


def test_the_purge_address_serves_no_photos(edge):
    """It is for storagemasters only, and so are the photos not its business."""
    assert ask(edge.purge, sign(new_photo_path())).status in {404, 405}
    assert ask(edge.purge, "/healthz").body == b"ok\n"


@pytest.mark.parametrize("kind", ["nginx", "varnish"])
def test_nobody_else_may_purge(start_edge, make_cluster, nodes, kind):
    """Whoever is not in the list is refused, before anything is looked at."""
    cluster = make_cluster({"42": [node.port for node in nodes]})
    edge = start_edge(kind, cluster, purge_networks=("10.0.0.0/8", "192.0.2.1"))
    path = new_photo_path()
    ask(edge.address, sign(path))
    answers: list[Answer] = purge(edge, [path])
    assert [answer.status for answer in answers] == [403]
    time.sleep(PURGE_SECONDS)
    ask(edge.address, sign(path))
    assert nodes[0].asked_for(path) == 1
