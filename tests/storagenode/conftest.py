"""Fixtures of the storagenode tests: a marked root, a clock, and a store over it."""

import tempfile
from pathlib import Path

import pytest

from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.store import DiskStore
from storagenode.upkeep import upkeep
from tests.s3_servers import CREDENTIALS, make_bucket, moto_server, seaweedfs
from tests.storagenode.fake_clock import FakeClock
from tests.storagenode.photo_samples import MTIME, version_of
from tests.storagenode.roots import Roots
from tests.storagenode.served_site import make_site, serving
from tests.storagenode.tombstones import PROOFS
from volumes.address import Address
from volumes.cluster import Node

pytest.register_assert_rewrite(
    "tests.storagenode.store_contract",
    "tests.storagenode.store_dropping_contract",
    "tests.storagenode.store_keeping_contract",
    "tests.storagenode.store_tiering_contract",
)


@pytest.fixture(name="credentials", scope="session")
def _credentials():
    """Set credentials where boto3 looks for them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield CREDENTIALS


@pytest.fixture(name="moto", scope="session")
def _moto(credentials):
    """Return the URL of moto's server, with a bucket."""
    with moto_server(credentials) as url:
        make_bucket(url, "photos")
        yield url


@pytest.fixture(name="seaweed", scope="session")
def _seaweed(credentials):
    """Return the URL of SeaweedFS's gateway, with a bucket."""
    with tempfile.TemporaryDirectory() as folder, seaweedfs(Path(folder), credentials) as url:
        make_bucket(url, "photos")
        yield url


@pytest.fixture(name="node", scope="session")
def _node():
    return Node(
        id="east-1",
        colo="east",
        read=Address("127.0.0.1", 1),
        write=Address("127.0.0.1", 2),
        store="unused",
    )


@pytest.fixture(name="all_roots", scope="session")
def _all_roots(node):
    # Not below pytest's own folder, which is removed later and file by file.
    with tempfile.TemporaryDirectory() as folder:
        yield Roots(Path(folder), node)


@pytest.fixture(name="roots")
def _roots(all_roots):
    yield all_roots
    all_roots.release_all()


@pytest.fixture(name="root")
def _root(roots):
    return roots.take()


@pytest.fixture(name="clock")
def _clock():
    return FakeClock(MTIME + 1000)


@pytest.fixture(name="file_system")
def _file_system(root):
    file_system = DiskFileSystem(root)
    yield file_system
    file_system.close_root()


@pytest.fixture(name="store")
def _store(file_system, clock):
    return DiskStore(file_system, PROOFS, now_seconds=clock)


@pytest.fixture(name="nodes", scope="module")
def _nodes():
    """Run two nodes that mirror VOLUME during the tests of a module."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        # A scrub would find what the tests damage before their readers do.
        patch.setattr(upkeep, "BETWEEN_PASSES_SECONDS", 86_400)
        with serving(make_site(Path(folder)), ["east-1", "west-1"]) as nodes:
            yield nodes


@pytest.fixture(name="served", scope="module")
def _served(nodes):
    return nodes["east-1"]


@pytest.fixture(name="numbers", scope="module")
def _numbers():
    return iter(range(500))


@pytest.fixture(name="photo_version")
def _of(numbers):
    """Return a version that no other test of the module uses."""
    return version_of(next(numbers))
