"""A storagemaster is killed at every crash point, and another one completes the work."""

import ast
import contextlib
import http.client
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from tests.free_ports import free_port
from tests.journey.running_cluster import EDGES, fetch, wait_until
from tests.storagemaster.repair.test_interrupted_passes import PASS_POINTS
from volumes.address import Address

PACKAGE = Path(__file__).parents[2] / "storagemaster"
# Larger than one chunk.
STREAMED_BYTES_MIN = 300_000
START_SECONDS = 60
ANSWER_SECONDS = 30
UPLOAD_POINTS = (
    "id_minted",
    "copy_made",
    "copy_made:2",
    "copies_made",
    "before_reply",
    "before_enqueue",
    "after_enqueue",
)
# The storagemaster of a client that resumes its upload.
RESUMED_POINTS = ("partial_created", "before_reply", "before_commit", "copy_made", "copies_made")
DELETE_POINTS = ("tombstone_made", "tombstone_made:2", "before_purge", "purge_sent", "before_reply")


@pytest.fixture(name="doomed")
def _doomed(cluster, tmp_path):
    """Start an additional storagemaster with a crash point: doomed(point)."""
    address = Address("127.0.0.1", free_port())
    config = cluster.data / "cluster-and-doomed.toml"
    doomed = f'\n[masters.doomed]\ncolo = "east"\naddress = "{address}"\n'
    doomed += f'internal = "127.0.0.1:{free_port()}"\n'
    config.write_text((cluster.data / "cluster.toml").read_text() + doomed)
    # The nodes do not know this storagemaster, and take it for another one.
    certificate = cluster.data / "tls" / "master-doomed.pem"
    certificate.write_bytes(certificate.with_name("master-west-master.pem").read_bytes())
    log = tmp_path / "crash"
    with contextlib.ExitStack() as stack:
        stack.callback(config.unlink)
        stack.callback(certificate.unlink)

        def start(point):
            environment = {"GLASSPLATE_CRASH_AT": point, "GLASSPLATE_CRASH_LOG": str(log)}
            process = subprocess.Popen(
                [sys.executable, "-m", "storagemaster", "--config", config, "--master", "doomed"],
                env=os.environ | environment,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            wait_until_it_takes_photos(cluster, address)
            return SimpleNamespace(address=address, process=process, log=log)

        yield start


def wait_until_it_takes_photos(cluster, address):
    """Wait until the storagemaster knows all nodes."""
    headers = {"Authorization": f"Bearer {cluster.token('status')}"}

    def knows_all_nodes():
        with contextlib.suppress(OSError):
            status = json.loads(send_request(address, "GET", "/status", headers=headers)[1])
            return all(node["up"] for node in status["nodes"])
        return False

    wait_until("a third storagemaster", knows_all_nodes, seconds_max=START_SECONDS)


def send_request(address, method, path, body=None, headers=None):
    """Send a request; return status and body."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=ANSWER_SECONDS)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()


def send_doomed(doomed, point, *request):
    """Send a request that kills the storagemaster; return its response, if there was one."""
    answer = None
    with contextlib.suppress(http.client.HTTPException, OSError):
        answer = send_request(doomed.address, *request)
    assert_killed_at(doomed, point)
    return answer


def assert_killed_at(doomed, point):
    """Wait for the end of the storagemaster, and check that it was killed at this point."""
    assert doomed.process.wait(START_SECONDS) == -signal.SIGKILL
    assert doomed.log.read_text() == point.partition(":")[0]


def only_copies_of(cluster, reference):
    """Return the files of a photo by node, once both mirrors have the same."""

    def are_equal():
        found = cluster.files_of(reference)
        return len(found) == 2 and all(a == b for a, b in itertools.pairwise(found.values()))

    wait_until("equal mirrors", are_equal)
    return cluster.files_of(reference)


def test_every_crash_point_is_covered():
    """Every crash point is covered here, or by the tests of background passes."""
    calls = (
        node
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "crashpoint"
    )
    named = {ast.literal_eval(call.args[0]) for call in calls}
    killed_at = (*UPLOAD_POINTS, *RESUMED_POINTS, *DELETE_POINTS, *PASS_POINTS)
    assert named == {point.partition(":")[0] for point in killed_at}


@pytest.mark.parametrize(
    ("point", "is_streamed"),
    [*((point, False) for point in UPLOAD_POINTS), ("copy_made", True), ("copy_made:2", True)],
)
def test_a_repeated_upload_is_stored_once(cluster, doomed, jpeg, point, is_streamed):
    """A repeated upload gives one photo with two equal copies and every size."""
    photo = jpeg(UPLOAD_POINTS.index(point) + 300, width=400, height=300)
    if is_streamed:
        photo += bytes(STREAMED_BYTES_MIN)
    key = f"killed at {point} {is_streamed}"
    headers = {
        "Authorization": f"Bearer {cluster.token('upload')}",
        "Content-Type": "image/jpeg",
        "Idempotency-Key": key,
    }
    answer = send_doomed(doomed(point), point, "POST", "/photos", photo, headers)
    with cluster.client() as client:
        receipt = client.put(photo, idempotency_key=key)
        client.wait_until_ready(receipt.reference, timeout_seconds=60)
    if answer is not None:
        first = json.loads(answer[1])
        assert (first["volume"], first["photo"]) == (receipt.volume, receipt.photo)
    copies = only_copies_of(cluster, receipt.reference)
    assert {
        bytes(files[f"{receipt.photo}_{receipt.version}_o.jpg"]) for files in copies.values()
    } == {photo}
    assert len(everything_of(cluster, receipt.photo)) == 2


@pytest.mark.parametrize("point", RESUMED_POINTS)
def test_a_resumable_upload_continues_at_another_storagemaster(cluster, doomed, jpeg, point):
    """A tus client finds every acknowledged byte there, and the photo is stored once."""
    photo = jpeg(RESUMED_POINTS.index(point) + 340, width=400, height=300)
    doomed, other = doomed(point), cluster.config.masters["west-master"].address
    first = tus_uploader(cluster, doomed.address, photo)
    with pytest.raises(TusCommunicationError):
        first.upload()
    assert_killed_at(doomed, point)
    path = first.url and urlsplit(first.url).path
    second = tus_uploader(cluster, other, photo, path=path)
    assert second.offset >= first.offset
    second.upload()
    state = json.loads(send_request(other, "GET", urlsplit(second.url).path)[1])
    assert state.get("state") == "stored", state
    with cluster.client() as client:
        client.wait_until_ready(state["reference"], timeout_seconds=60)
    copies = only_copies_of(cluster, state["reference"])
    originals = [data for files in copies.values() for name, data in files.items() if "_o." in name]
    assert originals == [photo] * 2
    stored = [
        file
        for node in cluster.config.nodes.values()
        for file in Path(node.store).glob("[1-9]*/*/*_o.jpg")
    ]
    assert [file.read_bytes() for file in stored].count(photo) == 2


def tus_uploader(cluster, address, photo, *, path=None):
    """Return a tus client that sends a photo in two parts, or continues an upload at a path."""
    base = f"http://{address}"
    client = TusClient(
        f"{base}/uploads", headers={"Authorization": f"Bearer {cluster.token('upload')}"}
    )
    return client.uploader(
        file_stream=io.BytesIO(photo),
        chunk_size=len(photo) // 2 + 1,
        url=path and base + path,
    )


def everything_of(cluster, photo):
    """Return the nodes with files of a photo, in any volume."""
    return {
        node.id
        for node in cluster.config.nodes.values()
        if any(Path(node.store).glob(f"[1-9]*/{photo[-2:]}/{photo}*"))
    }


@pytest.mark.parametrize("point", DELETE_POINTS)
def test_a_repeated_delete_is_complete(cluster, doomed, jpeg, point):
    """A repeated delete gives a tombstone on both mirrors, and no edge serves any size."""
    with cluster.client() as client:
        receipt = client.put(jpeg(DELETE_POINTS.index(point) + 320, width=300, height=200))
        client.wait_until_ready(receipt.reference, timeout_seconds=60)
        for edge, url in itertools.product(EDGES, receipt.urls.values()):
            assert fetch(cluster, edge, url)[0] == 200
        headers = {"Authorization": f"Bearer {cluster.token('delete')}"}
        path = f"/photos/{receipt.reference}"
        assert send_doomed(doomed(point), point, "DELETE", path, None, headers) is None
        assert set(client.delete(receipt.reference).purged) == set(EDGES)
    time.sleep(1)  # A worker can serve an open file for this long
    answers = {
        fetch(cluster, edge, url)[0]
        for edge, url in itertools.product(EDGES, receipt.urls.values())
    }
    assert answers == {410}
    tombstone = {f"{receipt.photo}_{receipt.version}.gone"}
    assert all(
        set(files) == tombstone for files in only_copies_of(cluster, receipt.reference).values()
    )
