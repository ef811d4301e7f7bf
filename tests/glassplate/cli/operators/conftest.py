"""A cluster for the tests of operator commands, without automatic repair."""

import contextlib
import os
import time

import pytest

from glassplate import blocking
from storagemaster.repair import cycle
from storagenode.upkeep import upkeep
from tests.glassplate.live_cluster import NODES, running_cluster


@pytest.fixture(name="cluster", scope="session")
def _cluster(tmp_path_factory):
    """Run a cluster that compares volumes and scrubs disks only at its start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cycle, "CYCLE_SECONDS", 1_000_000.0)
        # A scrub would find the damage before the tests do.
        patch.setattr(upkeep, "BETWEEN_PASSES_SECONDS", 86_400.0)
        with running_cluster(tmp_path_factory.mktemp("operated")) as cluster:
            _wait_for_first_scrubs(cluster)
            yield cluster


def _wait_for_first_scrubs(cluster):
    """Return when every node has scrubbed its empty disk, so that no test meets that pass."""
    deadline = time.monotonic() + 60
    with blocking.Client(cluster.masters, keys=cluster.keys) as client:
        while not all(node["completed_seconds"] for node in client.scrubs()["nodes"]):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(name="receipt")
def _receipt(client, photo):
    """Upload a photo to volume 3, whose mirrors are east-2 and west-2."""
    return client.put(photo, volume=3)


@pytest.fixture(name="original")
def _original(receipt):
    """Return the photo path of the original."""
    stem = f"{receipt.volume}/{receipt.photo[-2:]}/{receipt.photo}_{receipt.version}"
    return f"{stem}_o.{receipt.format}"


@pytest.fixture(name="on_disk")
def _on_disk(cluster):
    """Return a function that maps a path on a node to a file."""
    return lambda node, path: cluster.root / node / path


@pytest.fixture(name="corrupt")
def _corrupt(on_disk):
    """Return a function that changes a byte of a file but not its recorded digest."""

    def corrupt(node, path):
        data = on_disk(node, path).read_bytes()
        with contextlib.closing(os.fdopen(os.open(on_disk(node, path), os.O_WRONLY), "wb")) as file:
            file.write(data[:-1] + bytes([data[-1] ^ 1]))

    return corrupt


@pytest.fixture(name="record_digest")
def _record_digest(on_disk):
    """Return a function that changes the recorded digest of a file, or removes it."""

    def record_digest(node, path, digest):
        found = on_disk(node, path)
        if digest is None:
            os.removexattr(found, "user.sha256")
        else:
            os.setxattr(found, "user.sha256", digest.encode())
        # Nodes list a directory again when it has changed.
        moved = found.rename(found.with_suffix(".moved"))
        moved.rename(found)

    return record_digest


@pytest.fixture(name="lose")
def _lose(on_disk):
    """Return a function that deletes a file on a node."""
    return lambda node, path: on_disk(node, path).unlink()


@pytest.fixture(name="all_nodes")
def _all_nodes():
    """Return the ids of all nodes."""
    return NODES
