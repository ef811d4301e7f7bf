"""People are told what becomes of their photos, through the real queue and from any master."""

import contextlib
import http.client
import json
from urllib.parse import urlsplit

import pytest

from permission_urls import sign_token
from tests.glassplate.live_cluster import jpeg
from tests.imageworker.impatient_worker import CRASHES_ITS_DECODER


@pytest.fixture(name="cluster", scope="module")
def _cluster(queue_cluster):
    """With one worker."""
    queue_cluster.start_worker()
    yield queue_cluster
    queue_cluster.stop_workers()


@contextlib.contextmanager
def asking(cluster, method, path, *, master=0, body=None, headers=None):
    """The answer of a storagemaster, its body unread."""
    token = sign_token(cluster.live.keys, ("upload", "read", "delete"))
    address = urlsplit(cluster.live.masters[master])
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    headers = {"Authorization": f"Bearer {token}", **(headers or {})}
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        with connection.getresponse() as response:
            yield response


class Stream:
    """Server-sent events, as they come."""

    def __init__(self, cluster, *, master, after=None):
        headers = {"Last-Event-ID": after} if after else {}
        self._asking = asking(cluster, "GET", "/events", master=master, headers=headers)

    def __enter__(self):
        self._response = self._asking.__enter__()
        assert self._response.headers["Content-Type"] == "text/event-stream"
        return self

    def __exit__(self, *error):
        self._asking.__exit__(*error)

    def next_event(self):
        """The next event that is one: its id, its name and its data."""
        fields = {}
        while True:
            line = self._response.readline().decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if not line and "data" in fields:
                return fields.get("id"), fields["event"], json.loads(fields["data"])
            fields[name] = value

    def next_of(self, photo):
        """The next event of a photo."""
        while True:
            id_, name, data = self.next_event()
            if data["photo"] == photo:
                return id_, name, data


def upload(cluster, data, *, wait):
    """Upload and wait; status and receipt."""
    with asking(cluster, "POST", f"/photos?wait={wait}", body=data) as response:
        return response.status, json.loads(response.read())


def test_an_upload_that_waits_is_answered_when_the_photo_is_ready(cluster, seeds):
    """With the whole receipt and the state."""
    status, receipt = upload(cluster, jpeg(next(seeds)), wait=20)
    assert (status, receipt["state"], receipt["reason"]) == (201, "ready", "")
    assert receipt["durability"] == "mirrored"


def test_an_upload_that_waits_is_answered_when_the_photo_has_failed(cluster, seeds):
    """With the reason."""
    status, receipt = upload(cluster, jpeg(next(seeds)) + CRASHES_ITS_DECODER, wait=20)
    assert (status, receipt["state"]) == (201, "failed")
    assert receipt["reason"] == "the decoder crashed (signal 11)"


def test_an_upload_that_waits_in_vain_is_answered_when_the_time_is_over(cluster, seeds):
    """It is kept, and pending."""
    cluster.stop_workers()
    status, receipt = upload(cluster, jpeg(next(seeds)), wait=1)
    assert (status, receipt["state"]) == (201, "pending")
    cluster.start_worker()
    cluster.wait_until_settled(["{volume}/{photo}/{version}".format(**receipt)])


@pytest.mark.parametrize("wait", ["31", "-1", "x", "1.5", ""])
def test_a_wait_that_is_none_is_refused(cluster, seeds, wait):
    """At once, and nothing is kept."""
    status, problem = upload(cluster, jpeg(next(seeds)), wait=wait)
    assert status == 400
    assert "wait" in problem["detail"]


def test_every_master_tells_of_ready_failed_and_deleted(cluster, seeds):
    """Whichever of them it was that mirrored the sizes or the tombstone."""
    with Stream(cluster, master=0) as first, Stream(cluster, master=1) as second:
        _, receipt = upload(cluster, jpeg(next(seeds)), wait=20)
        _, failed = upload(cluster, jpeg(next(seeds)) + CRASHES_ITS_DECODER, wait=20)
        photo = f"/photos/{receipt['volume']}/{receipt['photo']}"
        with asking(cluster, "DELETE", photo, master=1) as response:
            assert response.status == 200
        for stream in (first, second):
            _, name, data = stream.next_of(receipt["photo"])
            assert (name, data["state"], data["version"]) == ("ready", "ready", receipt["version"])
            _, name, data = stream.next_of(failed["photo"])
            assert (name, data["reason"]) == ("failed", "the decoder crashed (signal 11)")
            _, name, data = stream.next_of(receipt["photo"])
            assert (name, data["version"]) == ("deleted", "")


def test_a_stream_that_was_cut_off_goes_on_after_its_last_event(cluster, seeds):
    """The events in between are told first."""
    with Stream(cluster, master=0) as stream:
        _, first = upload(cluster, jpeg(next(seeds)), wait=20)
        last, _, _ = stream.next_of(first["photo"])
    _, second = upload(cluster, jpeg(next(seeds)), wait=20)
    with Stream(cluster, master=0, after=last) as stream:
        assert stream.next_event()[2]["photo"] == second["photo"]
    with Stream(cluster, master=1, after=last) as stream:
        assert stream.next_event()[1] == "missed"


def test_events_need_a_token(cluster):
    """Of scope read."""
    with asking(cluster, "GET", "/events", headers={"Authorization": "Bearer x"}) as response:
        assert response.status == 401
