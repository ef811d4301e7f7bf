"""No request to the write port of a node is served without a signature for exactly this request."""

import hashlib
import http.client
import random
import tempfile
import time
from pathlib import Path

import pytest

from permission_urls import InternalSigner, Key, KeyRing, KeyState, Purpose
from storagenode.protocol.routes import DIGEST_IN_TRAILER, EMPTY_DIGEST, ROUTES, Signed
from storagenode.protocol.wire import ERROR_HEADER, SIGNATURE_HEADER
from tests.storagenode.served_site import ANSWER_SECONDS, make_site, serving

FIELDS = {
    "path": "42/k7/01jd3x8m2c9qp4k7_3fz8qd_o.jpg",
    "photo": "01jd3x8m2c9qp4k7",
    "version": "3fz8qd",
    "new_version": "9q8r7s",
    "volume": "42",
    "shard": "k7",
    "serial": "0",
    "day": "2026-01-30",
    "partial": "p",
    "name": "n",
    "stream": "s",
}
ROUTES_OF_MACHINES = [each for each in ROUTES if each.signed is not Signed.NOTHING]
OTHER_DIGEST = hashlib.sha256(b"other").hexdigest()


class _AnyField(dict):
    """Field values of templates, with a default for routes to come."""

    def __missing__(self, key):
        return "x"


@pytest.fixture(name="east", scope="module")
def _east():
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(make_site(Path(folder)), ["east-1"]) as nodes,
    ):
        yield nodes["east-1"]


def signature(keys, method, target, digest, **changed):
    """Return a signature for a request to east-1 that is valid, but for what is changed."""
    facts = {
        "receiver": "east-1",
        "method": method,
        "path": target,
        "digest": digest,
        "expiry_seconds": int(time.time()) + 60,
    }
    return InternalSigner(keys).sign_request(**(facts | changed))


def unknown_key(keys):
    """Return keys that no machine of the cluster has."""
    del keys
    secret = random.Random(9).randbytes(32)
    return KeyRing(keys=(Key(key_id="a", secret=secret, state=KeyState.SIGNING),))


def key_of(purpose):
    """Return a function that uses the keys of another purpose for requests."""
    return lambda keys: keys.ring(purpose)


ATTACKS = {
    "without a signature": lambda *_: None,
    "with an empty signature": lambda *_: "",
    "captured on its way to another node": lambda k, *r: signature(k, *r, receiver="west-1"),
    "captured on its way to a storagemaster": lambda k, *r: signature(k, *r, receiver="m1"),
    "with another method": lambda k, m, t, d: signature(
        k, "PATCH" if m != "PATCH" else "PUT", t, d
    ),
    "with another query": lambda k, m, t, d: signature(k, m, f"{t}?hint_for=west-1", d),
    "with another body": lambda k, m, t, _: signature(k, m, t, OTHER_DIGEST),
    "after its time": lambda k, *r: signature(k, *r, expiry_seconds=int(time.time()) - 1),
    "before its time": lambda k, *r: signature(k, *r, expiry_seconds=int(time.time()) + 700),
    "by an unknown key": lambda k, *r: signature(unknown_key(k), *r),
    "by a key for URLs": lambda k, *r: signature(key_of(Purpose.READ)(k), *r),
    "by a key for jobs": lambda k, *r: signature(key_of(Purpose.JOB)(k), *r),
    "by a key for tombstones": lambda k, *r: signature(key_of(Purpose.TOMBSTONE)(k), *r),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("route", ROUTES_OF_MACHINES, ids=lambda r: f"{r.method} {r.template}")
def test_the_write_port_serves_no_request(east, route, attack):
    """It responds 403 to each, and the body does not count."""
    target = route.template.format_map(_AnyField(FIELDS))
    digest = DIGEST_IN_TRAILER if route.signed is Signed.TRAILER else EMPTY_DIGEST
    header = ATTACKS[attack](east.site.keys, route.method, target, digest)
    headers = {} if header is None else {SIGNATURE_HEADER: header}
    address = east.node.write
    connection = http.client.HTTPConnection(address.host, address.port, timeout=ANSWER_SECONDS)
    try:
        connection.request(route.method, target, headers=headers)
        response = connection.getresponse()
        assert (response.status, response.headers[ERROR_HEADER]) == (403, "invalid-signature")
    finally:
        connection.close()


def test_enough_requests_are_tried():
    """Every route that machines use is in the list."""
    assert len(ROUTES_OF_MACHINES) * len(ATTACKS) >= 300
