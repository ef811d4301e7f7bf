"""nginx before a tier of Varnishes: each photo lives on one; one that is lost moves its share."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.edge_servers import is_listening
from tests.proxy_config.edge_requests import (
    PURGE_SECONDS,
    READ_KEYS,
    ask,
    new_photo_path,
    purge,
    sign,
)
from tests.proxy_config.fake_node import Behavior, bytes_of

VARNISHES = 3
PHOTOS = 60
CLIENTS = 8


class Tier:
    """Two nodes, Varnishes before them, and an nginx before these."""

    def __init__(self, nginx, varnish, make_cluster, nodes):
        ports = {"42": [node.port for node in nodes]}
        self.nodes = nodes
        self.varnishes = [
            varnish(make_cluster(ports), "varnish", READ_KEYS) for _ in range(VARNISHES)
        ]
        tier = tuple(varnish.address for varnish in self.varnishes)
        self.front = nginx(make_cluster(ports), "nginx", READ_KEYS, varnish_tier=tier)

    def read(self, paths):
        """Read all through the front, several at a time; each must be whole."""
        with ThreadPoolExecutor(CLIENTS) as threads:
            answers = threads.map(lambda path: ask(self.front.address, sign(path)), paths)
        for path, answer in zip(paths, answers, strict=True):
            assert (answer.status, answer.body) == (200, bytes_of(path))

    def forget_in_front(self, paths):
        """Have nginx ask for these again."""
        purge(self.front, paths)
        time.sleep(PURGE_SECONDS)

    def owners(self, paths):
        """Which Varnishes have each photo; nobody else is asked."""
        for node in self.nodes:
            node.stop()
        owners = {
            path: [
                number
                for number, varnish in enumerate(self.varnishes)
                if varnish.process.poll() is None and ask(varnish.address, sign(path)).status == 200
            ]
            for path in paths
        }
        for node in self.nodes:
            node.start()
        for varnish in self.varnishes:
            wait_until_served(varnish)
        return owners

    def lose(self, number):
        """Kill a Varnish. Its child finds out by itself, and answers until then."""
        lost = self.varnishes[number]
        lost.process.kill()
        lost.process.wait()
        deadline = time.monotonic() + 20
        while is_listening(lost.address):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def asked_for(self, path):
        """How often any node was asked."""
        return sum(node.asked_for(path) for node in self.nodes)


def wait_until_served(varnish):
    """Return when a Varnish has found out that nodes are back."""
    deadline = time.monotonic() + 20
    while varnish.process.poll() is None:
        if ask(varnish.address, sign(new_photo_path())).status == 200:
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(name="tier")
def _tier(nginx, varnish, make_cluster, make_nodes):
    return Tier(nginx, varnish, make_cluster, make_nodes(2))


def test_each_photo_lives_on_one_varnish_and_a_lost_one_moves_only_its_share(tier):
    """No reader sees an error, and the nodes are asked again for the lost share alone."""
    paths = [new_photo_path() for _ in range(PHOTOS)]
    tier.read(paths)
    before = tier.owners(paths)
    assert {len(owners) for owners in before.values()} == {1}
    shares = {number: [path for path in paths if before[path] == [number]] for number in range(3)}
    assert all(shares.values()), "each has some"

    tier.forget_in_front(paths)
    tier.lose(0)
    tier.read(paths)
    assert [path for path in paths if tier.asked_for(path) > 1] == shares[0]
    after = tier.owners(paths)
    assert all(after[path] == before[path] for path in shares[1] + shares[2])
    assert {len(after[path]) for path in shares[0]} == {1}


def test_a_photo_that_no_node_has_well_costs_its_varnish_nothing(tier):
    """A Varnish that says 502 has answered: the rest of its share stays where it is."""
    near, far = tier.nodes
    paths = [new_photo_path() for _ in range(PHOTOS)]
    tier.read(paths)
    near.behavior = far.behavior = Behavior.WRONG_BYTES
    for _ in range(10):
        assert ask(tier.front.address, sign(new_photo_path())).status in {502, 503}
    near.behavior = far.behavior = Behavior.WELL
    tier.forget_in_front(paths)
    tier.read(paths)
    assert {tier.asked_for(path) for path in paths} == {1}


def test_with_all_of_the_tier_lost_the_nodes_are_asked(tier):
    """The tier is a cache: without it everything takes longer, and nothing fails."""
    for number in range(VARNISHES):
        tier.lose(number)
    paths = [new_photo_path() for _ in range(CLIENTS)]
    tier.read(paths)
    near, far = tier.nodes
    absent, lonely = new_photo_path(), new_photo_path()
    near.absent |= {absent, lonely}
    far.absent.add(absent)
    assert ask(tier.front.address, sign(absent)).status == 404
    assert ask(tier.front.address, sign(lonely)).body == bytes_of(lonely)
