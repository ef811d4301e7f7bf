"""Events of photos, through the real queue and from every storagemaster."""

import contextlib
import http.client
import json
from urllib.parse import urlsplit

import pytest

from glassplate.session.new_tokens import sign_new_token
from tests.glassplate.live_cluster import jpeg
from tests.imageworker.impatient_worker import CRASHES_ITS_DECODER


@pytest.fixture(name="cluster", scope="module")
def _cluster(queue_cluster):
    """Run a queue cluster with one worker."""
    queue_cluster.start_worker()
    yield queue_cluster
    queue_cluster.stop_workers()


@contextlib.contextmanager
def requesting(cluster, method, path, *, master=0, body=None, headers=None):
    """Send a request to a storagemaster; yield the response before its body is read."""
    token = sign_new_token(cluster.live.keys, ("upload", "read", "original", "delete"))
    address = urlsplit(cluster.live.masters[master])
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    headers = {"Authorization": f"Bearer {token}", **(headers or {})}
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        with connection.getresponse() as response:
            yield response


class Stream:
    """Reader of server-sent events."""

    def __init__(self, cluster, *, master, after=None):
        headers = {"Last-Event-ID": after} if after else {}
        self._requesting = requesting(cluster, "GET", "/events", master=master, headers=headers)

    def __enter__(self):
        self._response = self._requesting.__enter__()
        assert self._response.headers["Content-Type"] == "text/event-stream"
        return self

    def __exit__(self, *error):
        self._requesting.__exit__(*error)

    def next_event(self):
        """Return the id, the name, and the data of the next event."""
        fields = {}
        while True:
            line = self._response.readline().decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if not line and "data" in fields:
                return fields.get("id"), fields["event"], json.loads(fields["data"])
            fields[name] = value

    def next_of(self, photo):
        """Return the next event of a photo."""
        while True:
            id_, name, data = self.next_event()
            if data["photo"] == photo:
                return id_, name, data


def upload(cluster, data, *, wait):
    """Upload and wait; return the status and the receipt."""
    with requesting(cluster, "POST", f"/photos?wait={wait}", body=data) as response:
        return response.status, json.loads(response.read())


def test_a_waiting_upload_returns_when_the_photo_is_ready(cluster, seeds):
    """An upload with `wait` returns the receipt and the state when the photo is ready."""
    status, receipt = upload(cluster, jpeg(next(seeds)), wait=20)
    assert (status, receipt["state"], receipt["reason"]) == (201, "ready", "")
    assert receipt["durability"] == "mirrored"


def test_a_waiting_upload_returns_when_the_photo_has_failed(cluster, seeds):
    """An upload with `wait` returns the reason when the photo has failed."""
    status, receipt = upload(cluster, jpeg(next(seeds)) + CRASHES_ITS_DECODER, wait=20)
    assert (status, receipt["state"]) == (201, "failed")
    assert receipt["reason"] == "the decoder crashed (signal 11)"


def test_a_waiting_upload_returns_after_its_timeout(cluster, seeds):
    """An upload with `wait` returns a pending receipt after the timeout."""
    cluster.stop_workers()
    status, receipt = upload(cluster, jpeg(next(seeds)), wait=1)
    assert (status, receipt["state"]) == (201, "pending")
    cluster.start_worker()
    cluster.wait_until_settled(["{volume}/{photo}/{version}".format(**receipt)])


@pytest.mark.parametrize("wait", ["31", "-1", "x", "1.5", ""])
def test_an_invalid_wait_is_rejected(cluster, seeds, wait):
    """An invalid `wait` is rejected at once, and nothing is stored."""
    status, problem = upload(cluster, jpeg(next(seeds)), wait=wait)
    assert status == 400
    assert "wait" in problem["detail"]


def test_every_master_sends_ready_failed_and_deleted(cluster, seeds):
    """Every storagemaster sends the events, also if another one mirrored the files."""
    with Stream(cluster, master=0) as first, Stream(cluster, master=1) as second:
        _, receipt = upload(cluster, jpeg(next(seeds)), wait=20)
        _, failed = upload(cluster, jpeg(next(seeds)) + CRASHES_ITS_DECODER, wait=20)
        photo = f"/photos/{receipt['volume']}/{receipt['photo']}"
        with requesting(cluster, "DELETE", photo, master=1) as response:
            assert response.status == 200
        for stream in (first, second):
            _, name, data = stream.next_of(receipt["photo"])
            assert (name, data["state"], data["version"]) == ("ready", "ready", receipt["version"])
            _, name, data = stream.next_of(failed["photo"])
            assert (name, data["reason"]) == ("failed", "the decoder crashed (signal 11)")
            _, name, data = stream.next_of(receipt["photo"])
            assert (name, data["version"]) == ("deleted", "")


def test_a_reconnected_stream_continues_after_its_last_event(cluster, seeds):
    """A client that reconnects receives the events after its last one."""
    with Stream(cluster, master=0) as stream:
        _, first = upload(cluster, jpeg(next(seeds)), wait=20)
        last, _, _ = stream.next_of(first["photo"])
    _, second = upload(cluster, jpeg(next(seeds)), wait=20)
    with Stream(cluster, master=0, after=last) as stream:
        assert stream.next_event()[2]["photo"] == second["photo"]
    with Stream(cluster, master=1, after=last) as stream:
        assert stream.next_event()[1] == "missed"


def test_events_need_a_token(cluster):
    """The event stream needs a token with the scope `read`."""
    with requesting(cluster, "GET", "/events", headers={"Authorization": "Bearer x"}) as response:
        assert response.status == 401
