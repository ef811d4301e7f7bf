"""Keys of every purpose are rotated on a running cluster under load: nothing valid is refused."""

import threading

import pytest

from permission_urls import Purpose, load_keys
from storagemaster import wire
from tests.journey.running_cluster import EDGES, fetch, fetch_from, start_cluster, stop_cluster
from tests.journey.running_cluster import wait_until as wait_for

ROTATED = (Purpose.READ, Purpose.TOKEN, Purpose.INTERNAL, Purpose.JOB)
# Several requests, because an edge has several processes, and old ones still respond for a moment.
IN_A_ROW = 20


class Load:
    """Threads that upload photos and read them at every edge and node, until the block exits."""

    def __init__(self, cluster, jpeg):
        self.cluster = cluster
        self.refused = []
        self.uploads = 0
        self._jpeg = jpeg
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(2)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number):
        seed = 1000 * (number + 1)
        with self.cluster.client() as client:
            while not self._over.is_set():
                seed += 1
                try:
                    receipt = client.put(self._jpeg(seed, width=320, height=200))
                except Exception as error:  # noqa: BLE001  # any is a refusal
                    self.refused.append(repr(error))
                    continue
                self.uploads += 1
                for edge in EDGES:
                    status = fetch(self.cluster, edge, receipt.urls["o"])[0]
                    if status != 200:
                        self.refused.append((edge, receipt.urls["o"], status))


@pytest.fixture(name="rotating", scope="module")
def _rotating(tmp_path_factory):
    """Return a cluster of its own, whose keys the tests change."""
    cluster = start_cluster(tmp_path_factory.mktemp("rotation") / "data")
    yield cluster
    stop_cluster(cluster)


def keys_of(cluster):
    """Return the keys in the file of the cluster."""
    return load_keys(cluster.data / "keys.toml")


def key_of(url):
    """Return the id of the key that signed a URL."""
    return url.rsplit("/", 1)[1].split(".")[1]


def test_no_valid_url_or_token_is_refused_during_a_rotation(rotating, jpeg):
    """Edges, nodes, storagemasters, and workers follow each step. Then the old keys end."""
    old_token = rotating.token("upload", "read", "original", "status")
    with rotating.client() as client:
        old = client.put(jpeg(1))
        client.wait_until_ready(old.reference, timeout_seconds=60)
    with Load(rotating, jpeg) as load:
        purposes = [argument for purpose in ROTATED for argument in ("--purpose", purpose)]
        added = rotating.cli("keys", "add", *purposes)
        assert added.returncode == 0, added.stderr
        uploads = load.uploads
        wait_for("uploads after the rotation", lambda: load.uploads > uploads + 4)
    assert load.refused == []
    assert {keys_of(rotating).ring(p).signing_key.key_id for p in ROTATED} == {"b"}
    with rotating.client() as client:
        wait_for("URLs of the new key", lambda: key_of(client.put(jpeg(2)).urls["o"]) == "b")
        new = client.put(jpeg(3, width=1300, height=900))
        assert client.wait_until_ready(new.reference, timeout_seconds=60).state == "ready"
    for purpose in ROTATED:
        assert rotating.cli("keys", "retire", "--purpose", purpose, "a", "--yes").returncode == 0
    for edge in EDGES:
        wait_for(
            f"the end of the old key at {edge}",
            lambda edge=edge: (
                {fetch(rotating, edge, old.urls["m"])[0] for _ in range(IN_A_ROW)} == {403}
            ),
        )
        assert fetch(rotating, edge, new.urls["m"])[0] == 200
    for node in rotating.config.nodes.values():
        wait_for("the end at a node", lambda n=node: fetch_from(n.read, old.urls["m"])[0] == 403)
    master = next(iter(rotating.config.masters.values())).address
    headers = {"Authorization": f"Bearer {old_token}"}
    status = wire.STATUS.path()
    wait_for("the end of old tokens", lambda: fetch_from(master, status, headers=headers)[0] == 401)
    with rotating.client() as client:
        last = client.put(jpeg(4))
        assert client.wait_until_ready(last.reference, timeout_seconds=60).state == "ready"
    assert key_of(last.urls["o"]) == "b"
