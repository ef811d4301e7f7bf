"""nginx in front of several Varnish servers: consistent hashing and failover."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.edge_servers import is_listening
from tests.proxy_config.edge_requests import (
    PURGE_SECONDS,
    READ_KEYS,
    new_photo_path,
    purge,
    send_request,
    sign,
)
from tests.proxy_config.fake_node import Behavior, bytes_of

VARNISHES = 3
PHOTOS = 60
CLIENTS = 8


class Tier:
    """Two nodes, Varnish servers in front of them, and an nginx in front of these."""

    def __init__(self, nginx, varnish, make_cluster, nodes):
        ports = {"42": [node.port for node in nodes]}
        self.nodes = nodes
        self.varnishes = [
            varnish(make_cluster(ports), "varnish", READ_KEYS) for _ in range(VARNISHES)
        ]
        tier = tuple(varnish.address for varnish in self.varnishes)
        self.front = nginx(make_cluster(ports), "nginx", READ_KEYS, varnish_tier=tier)

    def read(self, paths):
        """Read all photos through the front concurrently; check each one."""
        with ThreadPoolExecutor(CLIENTS) as threads:
            responses = threads.map(
                lambda path: send_request(self.front.address, sign(path)), paths
            )
        for path, response in zip(paths, responses, strict=True):
            assert (response.status, response.body) == (200, bytes_of(path))

    def forget_in_front(self, paths):
        """Purge photos from the nginx only."""
        purge(self.front, paths)
        time.sleep(PURGE_SECONDS)

    def owners(self, paths):
        """Return the Varnish servers that have each photo cached."""
        for node in self.nodes:
            node.stop()
        owners = {
            path: [
                number
                for number, varnish in enumerate(self.varnishes)
                if varnish.process.poll() is None
                and send_request(varnish.address, sign(path)).status == 200
            ]
            for path in paths
        }
        for node in self.nodes:
            node.start()
        for varnish in self.varnishes:
            wait_until_served(varnish)
        return owners

    def lose(self, number):
        """Kill a Varnish; wait until its child has also ended."""
        lost = self.varnishes[number]
        lost.process.kill()
        lost.process.wait()
        deadline = time.monotonic() + 20
        while is_listening(lost.address):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def request_count(self, path):
        """Return the number of requests to all nodes."""
        return sum(node.request_count(path) for node in self.nodes)


def wait_until_served(varnish):
    """Wait until a Varnish uses recovered nodes again."""
    deadline = time.monotonic() + 20
    while varnish.process.poll() is None:
        if send_request(varnish.address, sign(new_photo_path())).status == 200:
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(name="tier")
def _tier(nginx, varnish, make_cluster, make_nodes):
    return Tier(nginx, varnish, make_cluster, make_nodes(2))


def test_each_photo_lives_on_one_varnish_and_a_lost_one_moves_only_its_share(tier):
    """Only the photos of the lost Varnish are fetched from the nodes again, without errors."""
    paths = [new_photo_path() for _ in range(PHOTOS)]
    tier.read(paths)
    before = tier.owners(paths)
    assert {len(owners) for owners in before.values()} == {1}
    shares = {number: [path for path in paths if before[path] == [number]] for number in range(3)}
    assert all(shares.values()), "each has some"

    tier.forget_in_front(paths)
    tier.lose(0)
    tier.read(paths)
    assert [path for path in paths if tier.request_count(path) > 1] == shares[0]
    after = tier.owners(paths)
    assert all(after[path] == before[path] for path in shares[1] + shares[2])
    assert {len(after[path]) for path in shares[0]} == {1}


def test_a_502_does_not_move_photos_to_another_varnish(tier):
    """A 502 from a Varnish is a response and does not move its other photos."""
    near, far = tier.nodes
    paths = [new_photo_path() for _ in range(PHOTOS)]
    tier.read(paths)
    near.behavior = far.behavior = Behavior.WRONG_BYTES
    for _ in range(10):
        assert send_request(tier.front.address, sign(new_photo_path())).status in {502, 503}
    near.behavior = far.behavior = Behavior.WELL
    tier.forget_in_front(paths)
    tier.read(paths)
    assert {tier.request_count(path) for path in paths} == {1}


def test_without_the_tier_the_nodes_are_used(tier):
    """Without the tier, all photos are served from the nodes."""
    for number in range(VARNISHES):
        tier.lose(number)
    paths = [new_photo_path() for _ in range(CLIENTS)]
    tier.read(paths)
    near, far = tier.nodes
    absent, lonely = new_photo_path(), new_photo_path()
    near.absent |= {absent, lonely}
    far.absent.add(absent)
    assert send_request(tier.front.address, sign(absent)).status == 404
    assert send_request(tier.front.address, sign(lonely)).body == bytes_of(lonely)
