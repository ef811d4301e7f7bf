"""An nginx edge that serves photos from the disk of the node on its machine."""

import os
import time

import pytest

from proxy_config import InvalidSetting, NginxSettings, render_nginx
from tests.proxy_config.edge_requests import (
    READ_KEYS,
    in_seconds,
    new_photo_path,
    send_request,
    sign,
)
from tests.proxy_config.fake_node import LAST_MODIFIED, MTIME, bytes_of, etag_of
from tests.proxy_config.golden_configs import golden_cluster

NO_EXPIRY = 0
# Validity of a worker's cached file metadata, with a margin.
OPEN_FILE_SECONDS = 1.1


@pytest.fixture(name="disk", scope="module")
def _disk(tmp_path_factory):
    """Return a node root that nginx workers can read."""
    root = tmp_path_factory.mktemp("node")
    for folder in (root, *root.parents[:2]):
        folder.chmod(0o755)
    return root


@pytest.fixture(name="edge", scope="module")
def _edge(nginx, make_cluster, nodes, disk):
    cluster = make_cluster({"42": [node.port for node in nodes]}, store=str(disk))
    return nginx(cluster, "nginx", READ_KEYS, disk_node="east-0")


@pytest.fixture(name="keep")
def _keep(disk):
    """Write a photo to the disk as a node does: keep() -> its path."""

    def keep(path=None):
        path = path or new_photo_path()
        file = disk / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes_of(path))
        os.utime(file, (MTIME, MTIME))
        return path

    return keep


@pytest.mark.parametrize("lasts_seconds", [NO_EXPIRY, 600])
def test_a_photo_on_the_disk_is_served_without_its_node(edge, keep, nodes, lasts_seconds):
    """Bytes and headers are equal to a node's, without a request to the node."""
    path = keep()
    expiry = in_seconds(lasts_seconds) if lasts_seconds else NO_EXPIRY
    for _ in range(2):
        response = send_request(edge.address, sign(path, expiry=expiry))
        assert (response.status, response.body) == (200, bytes_of(path))
        assert response.headers["etag"] == etag_of(path)
        assert response.headers["last-modified"] == LAST_MODIFIED
        assert response.headers["content-type"] == "image/jpeg"
        assert "public, max-age=" in response.headers["cache-control"]
        assert ("immutable" in response.headers["cache-control"]) == (expiry == NO_EXPIRY)
    assert nodes[0].request_count(path) == nodes[1].request_count(path) == 0


def test_ranges_and_conditions_work(edge, keep):
    """Ranges and conditions work as on a node."""
    path = keep()
    part = send_request(edge.address, sign(path), headers={"Range": "bytes=2-5"})
    assert (part.status, part.body) == (206, bytes_of(path)[2:6])
    same = send_request(edge.address, sign(path), headers={"If-None-Match": etag_of(path)})
    assert (same.status, same.body) == (304, b"")


def test_the_disk_opens_nothing_without_a_permission(edge, keep, disk):
    """Neither photos nor other files on the disk are served without a permission."""
    path = keep()
    (disk / ".node").write_text("marker")
    for bad in (f"/{path}", sign(path, size_class="large"), sign(path, expiry=1), "/.node", "/42"):
        assert send_request(edge.address, bad).status in {400, 403}
    assert send_request(edge.address, sign(path).replace("/42/", "/42/../42/")).status == 400


@pytest.mark.parametrize("tombstone_of", ["photo", "version"])
def test_a_tombstone_wins_over_the_bytes_beside_it(edge, keep, disk, tombstone_of):
    """A tombstone takes effect within a second."""
    path = keep()
    assert send_request(edge.address, sign(path)).status == 200
    photo, version, _ = path.split("_")
    (disk / f"{photo if tombstone_of == 'photo' else f'{photo}_{version}'}.gone").touch()
    time.sleep(OPEN_FILE_SECONDS)
    response = send_request(edge.address, sign(path))
    assert (response.status, response.body) == (410, b"gone\n")
    assert response.headers["cache-control"] == "public, max-age=60"


def test_a_missing_file_is_requested_from_the_nodes(edge, nodes):
    """A missing file or disk causes a request to the nodes, not an error."""
    path, gone = new_photo_path(), new_photo_path()
    nodes[0].gone.add(gone)
    assert [send_request(edge.address, sign(path)).body for _ in range(2)] == [bytes_of(path)] * 2
    assert nodes[0].request_count(path) == 1
    assert send_request(edge.address, sign(gone)).status == 410


def test_an_unlinked_photo_is_not_served(edge, keep, disk, nodes):
    """A worker closes an unlinked photo within a second."""
    path = keep()
    assert send_request(edge.address, sign(path)).status == 200
    (disk / path).unlink()
    for node in nodes:
        node.gone.add(path)
    time.sleep(OPEN_FILE_SECONDS)
    assert send_request(edge.address, sign(path)).status == 410


@pytest.mark.parametrize("node_id", ["unknown", "west-2"])
def test_only_a_node_of_the_colo_can_share_the_machine(node_id):
    """Any other node raises InvalidSetting."""
    choices = NginxSettings(
        edge_id="east-nginx", cache_dir="/c", cache_bytes=1 << 30, run_dir="/r", disk_node=node_id
    )
    with pytest.raises(InvalidSetting, match="disk_node"):
        render_nginx(golden_cluster(), choices, READ_KEYS)
