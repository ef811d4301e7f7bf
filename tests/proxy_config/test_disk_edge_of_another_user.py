"""An nginx edge of another user than the node's, set up as docs/edge.md says."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from storagenode.__main__ import UMASK
from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.marker import close_to_others, mark_root
from storagenode.disk.store import DiskStore
from storagenode.protocol.layout import Place
from tests.proxy_config.edge_requests import READ_KEYS, send_request, sign
from tests.proxy_config.fake_node import bytes_of
from tests.storagenode.photo_samples import variant_of, version_of
from tests.storagenode.store_under_test import put
from tests.storagenode.tombstones import PROOFS
from volumes.cluster import NodeId
from volumes.photo_path import render_path

PAGE = Path(__file__).parents[2] / "docs/edge.md"
EDGE_USER = "www-data"
ANOTHER_UID = 12345


@pytest.fixture(name="root", scope="module")
def _root():
    """Return a root that mark_root has made, in a folder that all users can enter."""
    with tempfile.TemporaryDirectory(prefix="disk-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "root"


@pytest.fixture(name="edge", scope="module")
def _edge(nginx, make_cluster, nodes, root):
    cluster = make_cluster({"42": [node.port for node in nodes]}, store=str(root))
    mark_root(root, cluster.nodes[NodeId("east-0")])
    assert os.geteuid() == 0, "run as root, which can start nginx as another user"
    return nginx(cluster, "nginx", READ_KEYS, disk_node="east-0", worker_user=EDGE_USER)


@pytest.fixture(name="keep", scope="module")
def _keep(edge, root):
    """Store a photo in the root as a node does: keep(number) -> its path."""
    assert edge.kind == "nginx"
    previous = os.umask(UMASK)
    file_system = DiskFileSystem(root)
    store = DiskStore(file_system, PROOFS)

    def keep(number):
        place = variant_of(version_of(number), "m")
        store.create_volumes([place.file.photo_version.volume])
        path = render_path(place.file)
        put(store, Place(place.file), bytes_of(path))
        return path

    yield keep
    file_system.close_root()
    os.umask(previous)


def test_a_group_lets_nginx_read_the_disk_and_nobody_else(edge, keep, root, nodes):
    """Before the documented commands nginx reads nothing and requests the photo from a node."""
    path = keep(1)
    assert send_request(edge.address, sign(path)).body == bytes_of(path)
    assert nodes[0].request_count(path) == 1
    (commands,) = re.findall(r"```sh\n(chgrp .*?)```", PAGE.read_text(), re.DOTALL)
    commands = commands.replace("/srv/disk1", str(root))
    subprocess.run(["sh", "-euc", commands], check=True)
    close_to_others(root)
    path = keep(2)
    assert send_request(edge.address, sign(path)).body == bytes_of(path)
    assert nodes[0].request_count(path) == nodes[1].request_count(path) == 0
    as_another = ["setpriv", f"--reuid={ANOTHER_UID}", f"--regid={ANOTHER_UID}", "--clear-groups"]
    read = subprocess.run(
        [*as_another, "cat", str(root / path)], capture_output=True, text=True, check=False
    )
    assert read.returncode == 1
    assert "Permission denied" in read.stderr
