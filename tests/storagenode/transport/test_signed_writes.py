"""Nothing is written, read or listed at the write port but what a machine of the cluster signed."""

import time

import pytest

from permission_urls import InternalSigner, KeyRing, generate_key
from storagenode.client import NodeClient
from storagenode.protocol import routes, wire
from storagenode.protocol.errors import InvalidSignature
from storagenode.protocol.routes import DIGEST_IN_TRAILER, Signed
from tests.storagenode.photo_samples import MTIME, bytes_of, digest_of, variant_of, version_of
from tests.storagenode.served_site import chunked

DATA = bytes_of("photo", size=500)
SIGNED = [route for route in routes.ROUTES if route.signed is not Signed.NOTHING]


@pytest.fixture(name="node", scope="module")
def _node(served):
    return served


@pytest.fixture(name="place")
def _place(photo_version):
    return variant_of(photo_version)


@pytest.fixture(name="soon")
def _soon():
    return int(time.time()) + 100


def request(method, path, *, signature="", body=b"", length=None):
    """A request as bytes, that asks for the connection to be closed."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n"
    )
    if signature:
        head += f"{wire.SIGNATURE_HEADER}: {signature}\r\n"
    return head.encode() + b"\r\n" + body


def status_of(received):
    """The status of an answer."""
    return int(received.split()[1])


def put_request(node, place, data, soon, *, opening=None, closing=None, path=None, length=None):
    """A streamed PUT, whose signatures may be others than they should."""
    path = path or routes.PUT_FILE.at(place, mtime_seconds=MTIME).path
    if opening is None:
        opening = node.sign("PUT", path, DIGEST_IN_TRAILER, expiry_seconds=soon)
    if closing is None:
        closing = node.sign("PUT", path, digest_of(data), expiry_seconds=soon)
    body = data + wire.render_trailer(closing)
    return request("PUT", path, signature=opening, body=body, length=length)


def is_nothing_there(node, place):
    """Neither the file nor an unfinished write."""
    return node.staged() == [] and not (node.root / place.path).exists()


def test_a_signed_put_is_taken(node, place, soon):
    """So that the refusals below are for what is wrong with them."""
    assert status_of(node.send_raw(put_request(node, place, DATA, soon))) == 200
    assert (node.root / place.path).read_bytes() == DATA


@pytest.mark.parametrize("query", [None, {"mtime": "1", "hint_for": "west-1"}, {"mtime": "x"}])
@pytest.mark.parametrize("route", SIGNED, ids=lambda route: f"{route.method} {route.template}")
def test_no_route_answers_without_a_signature(node, route, query):
    """An invalid request gets no other response, and nothing changes."""
    photo_version = version_of(800)
    node.put(variant_of(photo_version), DATA)
    before = node.run(node.client.shard_digests(42))
    target = route.target(
        query,
        path=variant_of(photo_version).path,
        volume=42 if route is not routes.CREATE_VOLUME else 45,
        photo=photo_version.photo,
        version=photo_version.version,
        new_version="000009",
        shard="00",
        serial="0",
        day="2026-01-01",
    )
    assert status_of(node.send_raw(request(target.method, target.path, body=b"x" * 70))) == 403
    status = node.run(node.client.status())
    assert (status.volumes, status.hints) == ((42,), 0)
    assert node.run(node.client.shard_digests(42)) == before


def test_only_metrics_need_no_signature():
    """Every other route of the table is tested above."""
    assert set(routes.ROUTES) - set(SIGNED) == {routes.METRICS}


def test_a_key_of_nobody_signs_nothing(node, place):
    """Nor does the right secret under another id."""
    for ring in (
        KeyRing(keys=(generate_key("a", lambda count: bytes(range(1, count + 1))),)),
        KeyRing(keys=(generate_key("b", lambda count: bytes(range(count))),)),
    ):
        stranger = NodeClient(node.node.write, node.client._session, InternalSigner(ring))
        with pytest.raises(InvalidSignature):
            node.run(stranger.status())
        with pytest.raises(InvalidSignature):
            node.run(stranger.put(place, chunked(DATA), mtime_seconds=MTIME, bytes_total=len(DATA)))
    assert is_nothing_there(node, place)


def test_a_large_body_without_a_right_signature_is_refused_as_such(node, place):
    """The sender learns why, though it has not sent all of it."""
    ring = KeyRing(keys=(generate_key("a", lambda count: bytes(range(1, count + 1))),))
    stranger = NodeClient(node.node.write, node.client._session, InternalSigner(ring))
    data = bytes(4 * 1024 * 1024)
    with pytest.raises(InvalidSignature):
        node.run(stranger.put(place, chunked(data), mtime_seconds=MTIME, bytes_total=len(data)))
    assert is_nothing_there(node, place)


def test_an_expired_signature_is_none(node, place):
    """Neither to open nor to close."""
    past = int(time.time()) - 1
    path = routes.PUT_FILE.at(place, mtime_seconds=MTIME).path
    old_opening = node.sign("PUT", path, DIGEST_IN_TRAILER, expiry_seconds=past)
    old_closing = node.sign("PUT", path, digest_of(DATA), expiry_seconds=past)
    soon = past + 100
    for case in ({"opening": old_opening}, {"closing": old_closing}):
        assert status_of(node.send_raw(put_request(node, place, DATA, soon, **case))) == 403
    assert is_nothing_there(node, place)


def test_a_signature_is_good_for_one_path_only(node, place, soon):
    """Not for another photo, another home, another time, or another spelling."""
    path = routes.PUT_FILE.at(place, mtime_seconds=MTIME).path
    opening = node.sign("PUT", path, DIGEST_IN_TRAILER, expiry_seconds=soon)
    closing = node.sign("PUT", path, digest_of(DATA), expiry_seconds=soon)
    other = variant_of(version_of(801))
    for replayed in (
        routes.PUT_FILE.at(other, mtime_seconds=MTIME).path,
        f"{path}0",
        f"{path}&hint_for=west-1",
        path.partition("?")[0],
        path.replace("/42/", "/%34%32/"),
    ):
        sent = put_request(node, other, DATA, soon, opening=opening, closing=closing, path=replayed)
        assert status_of(node.send_raw(sent)) == 403
    assert is_nothing_there(node, other)
    assert is_nothing_there(node, place)


def test_a_signature_is_good_for_one_method_only(node, soon):
    """One that reads deletes nothing."""
    held = variant_of(version_of(802), hint_for="west-1")
    node.put(held, DATA)
    path = routes.GET_FILE.at(held).path
    reading = node.sign("GET", path, digest_of(b""), expiry_seconds=soon)
    assert status_of(node.send_raw(request("GET", path, signature=reading))) == 200
    assert status_of(node.send_raw(request("DELETE", path, signature=reading))) == 403
    assert (node.root / held.path).exists()
    node.run(node.client.remove_hint(held))


def test_neither_signature_of_a_put_serves_as_the_other(node, place, soon):
    """What lets bytes in does not publish them."""
    path = routes.PUT_FILE.at(place, mtime_seconds=MTIME).path
    opening = node.sign("PUT", path, DIGEST_IN_TRAILER, expiry_seconds=soon)
    closing = node.sign("PUT", path, digest_of(DATA), expiry_seconds=soon)
    for case in (
        {"opening": closing},
        {"closing": opening},
        {"opening": closing, "closing": opening},
    ):
        assert status_of(node.send_raw(put_request(node, place, DATA, soon, **case))) == 403
    assert is_nothing_there(node, place)


def test_a_closing_signature_is_good_for_its_bytes_only(node, place, soon):
    """A stolen opening commits no other bytes."""
    path = routes.PUT_FILE.at(place, mtime_seconds=MTIME).path
    closing = node.sign("PUT", path, digest_of(b"other"), expiry_seconds=soon)
    sent = put_request(node, place, DATA, soon, closing=closing)
    assert status_of(node.send_raw(sent)) == 403
    assert is_nothing_there(node, place)


@pytest.mark.parametrize("closing", ["", "a.0.AAAAAAAAAAAAAAAAAAAAAAAA", "x" * 64, "-"])
@pytest.mark.parametrize("size", [500, 2 * 1024 * 1024])
def test_a_trailer_that_is_no_signature_publishes_nothing(node, place, soon, closing, size):
    """Whether the body fits one batch or not."""
    data = bytes_of("body", size=size)
    body = data + closing.encode().ljust(wire.TRAILER_BYTES)
    path = routes.PUT_FILE.at(place, mtime_seconds=MTIME).path
    opening = node.sign("PUT", path, DIGEST_IN_TRAILER, expiry_seconds=soon)
    assert status_of(node.send_raw(request("PUT", path, signature=opening, body=body))) == 403
    assert is_nothing_there(node, place)


@pytest.mark.parametrize("cut", [1, 63, 64, 65, 563])
def test_a_body_that_ends_too_soon_publishes_nothing(node, place, soon, cut):
    """Its last bytes are taken for a trailer, and are none."""
    whole = put_request(node, place, DATA, soon)
    head, _, body = whole.partition(b"\r\n\r\n")
    body = body[:-cut]
    head = head.replace(b"Content-Length: 564", f"Content-Length: {len(body)}".encode())
    status = status_of(node.send_raw(head + b"\r\n\r\n" + body))
    assert status == (400 if len(body) < wire.TRAILER_BYTES else 403)
    assert is_nothing_there(node, place)


def test_a_flipped_bit_on_the_way_publishes_nothing(node, place, soon):
    """The digest that was signed is of what was sent."""
    whole = bytearray(put_request(node, place, DATA, soon))
    whole[-wire.TRAILER_BYTES - 10] ^= 1
    assert status_of(node.send_raw(bytes(whole))) == 403
    assert is_nothing_there(node, place)


def test_a_refused_request_takes_the_connection_with_it(node):
    """What is left of its body must not be read as another request."""
    smuggled = request("GET", "/metrics")
    sent = request("PUT", "/files/x", body=smuggled).replace(b"Connection: close\r\n", b"", 1)
    received = node.send_raw(sent + request("GET", "/metrics"))
    assert status_of(received) == 403
    assert received.count(b"HTTP/1.1 ") == 1
