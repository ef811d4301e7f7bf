"""The write port reads, lists, and writes only for machines of the cluster."""

import gzip
import time

import pytest

from permission_urls import KeyRing, generate_key
from storagenode.client import NodeClient
from storagenode.protocol import routes, wire
from storagenode.protocol.errors import InvalidSignature
from storagenode.protocol.framing import header_of
from storagenode.protocol.routes import DIGEST_IN_TRAILER, Signed
from tests.flood import flood
from tests.storagenode.photo_samples import MTIME, bytes_of, digest_of, variant_of, version_of
from tests.storagenode.served_site import chunked

DATA = bytes_of("photo", size=500)
HUGE_BYTES = 100 * 1024 * 1024
FIELDS = {
    "new_version": "000009",
    "shard": "00",
    "serial": "0",
    "day": "2026-01-01",
    "partial": "01jd3x8m2c9qp4k7_3fz8qd_9_9",
    "file": "2026-01-01.acts",
    "kind": "vote",
}
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


def request(method, path, *, signature="", body=b"", length=None, headers=()):
    """Return a request that closes its connection."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n"
    )
    if signature:
        head += f"{wire.SIGNATURE_HEADER}: {signature}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers)
    return head.encode() + b"\r\n" + body


def client_with(ring, node):
    """Return a client of the node with other keys."""
    return NodeClient(node.node.id, node.node.write, node.client._session, ring)


def status_of(received):
    """Return the status of a response."""
    return int(received.split()[1])


def put_request(node, place, data, soon, *, opening=None, closing=None, path=None, length=None):
    """Return a streamed PUT with the given signatures."""
    path = path or routes.PUT_FILE.at(place, mtime_seconds=MTIME).path
    if opening is None:
        opening = node.sign("PUT", path, DIGEST_IN_TRAILER, expiry_seconds=soon)
    if closing is None:
        closing = node.sign("PUT", path, digest_of(data), expiry_seconds=soon)
    body = data + wire.render_trailer(closing)
    return request("PUT", path, signature=opening, body=body, length=length)


def is_nothing_there(node, place):
    """Return True if neither the file nor a staged file exists."""
    return node.staged() == [] and not (node.root / place.path).exists()


def test_a_signed_put_is_accepted(node, place, soon):
    """So that each refusal below has its own cause."""
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
        volume=42,
        photo=photo_version.photo,
        version=photo_version.version,
        **FIELDS,
    )
    assert status_of(node.send_raw(request(target.method, target.path, body=b"x" * 70))) == 403
    status = node.run(node.client.status())
    assert (status.volumes, status.hints) == ((42,), 0)
    assert node.run(node.client.shard_digests(42)) == before


def test_only_metrics_need_no_signature():
    """Every other route of the table is tested above."""
    assert set(routes.ROUTES) - set(SIGNED) == {routes.METRICS}


def test_an_unknown_key_signs_nothing(node, place):
    """Nor does the right secret under another id."""
    for ring in (
        KeyRing(keys=(generate_key("a", lambda count: bytes(range(1, count + 1))),)),
        KeyRing(keys=(generate_key("b", lambda count: bytes(range(count))),)),
    ):
        stranger = client_with(ring, node)
        with pytest.raises(InvalidSignature):
            node.run(stranger.status())
        with pytest.raises(InvalidSignature):
            node.run(stranger.put(place, chunked(DATA), mtime_seconds=MTIME, bytes_total=len(DATA)))
    assert is_nothing_there(node, place)


def test_a_large_body_with_a_wrong_signature_is_refused(node, place):
    """The sender gets the reason before it has sent everything."""
    ring = KeyRing(keys=(generate_key("a", lambda count: bytes(range(1, count + 1))),))
    stranger = client_with(ring, node)
    data = bytes(4 * 1024 * 1024)
    with pytest.raises(InvalidSignature):
        node.run(stranger.put(place, chunked(data), mtime_seconds=MTIME, bytes_total=len(data)))
    assert is_nothing_there(node, place)


@pytest.mark.parametrize(
    "route",
    [each for each in SIGNED if each.body_bytes_max or each in {routes.STATUS, routes.PUT_FILE}],
    ids=lambda route: f"{route.method} {route.template}",
)
def test_an_unsigned_body_is_refused_before_it_is_read(node, route):
    """The response comes at once, and the node takes no more than what the kernel holds."""
    target = route.target(path="x", volume=42, photo="x", version="x", **FIELDS)
    head = request(target.method, target.path, length=HUGE_BYTES)
    received, sent = flood(node.node.write, head)
    assert status_of(received) == 403
    assert sent < HUGE_BYTES // 4


@pytest.mark.parametrize("path", ["/writes", "/digests", "/bundles/x", "/status"])
def test_a_signed_body_has_a_limit(node, soon, path):
    """Of its route, whether its length is declared or not."""
    method = "GET" if path == "/status" else "POST"
    signature = node.sign(method, path, "0" * 64, expiry_seconds=soon)
    signed = {"signature": signature, "headers": [(wire.DIGEST_HEADER, "0" * 64)]}
    declared = request(method, path, length=HUGE_BYTES * 2, **signed)
    received, sent = flood(node.node.write, declared)
    assert b" 400 " in received.partition(b"\r\n")[0]
    assert sent < HUGE_BYTES // 4
    if path != "/bundles/x":
        length = f"Content-Length: {HUGE_BYTES * 2}".encode()
        chunked = declared.replace(length, b"Transfer-Encoding: chunked") + b"10000000\r\n"
        received, sent = flood(node.node.write, chunked)
        assert b" 400 " in received.partition(b"\r\n")[0]
        assert sent < HUGE_BYTES // 4


def test_a_signed_digest_covers_the_body(node, soon):
    """Other bytes under a captured signature are refused."""
    body = b'["42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg"]'
    signature = node.sign("POST", "/digests", digest_of(body), expiry_seconds=soon)
    headers = [(wire.DIGEST_HEADER, digest_of(body))]
    for sent, status in ((body, 200), (body.replace(b"_m", b"_s"), 403), (b"", 403)):
        signed = request("POST", "/digests", signature=signature, body=sent, headers=headers)
        assert status_of(node.send_raw(signed)) == status
    unnamed = request("POST", "/digests", signature=signature, body=body)
    assert status_of(node.send_raw(unnamed)) == 403


@pytest.mark.parametrize(
    "path",
    [
        "/digests",
        "/infos",
        "/reads",
        "/pulls",
        "/pulls/batch",
        "/writes",
        "/bundles/42/k7/01jd3x8m2c9qp4k7_3fz8qd",
        "/volumes/42/listings",
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b"[" * 60_000 + b"\n",
        b"9" * 5000,
        b"[{}]",
        b'["x"]',
        b"[1]\n",
        b'[{"bytes": ' + b"9" * 5000 + b"}]\n",
        b'["\\ud800"]',
        b"\xff",
    ],
    ids=range(9),
)
def test_invalid_json_is_a_bad_request(node, soon, path, body):
    """Also JSON that is nested too deeply, and numbers that Python refuses to parse."""
    digest = digest_of(header_of(body) if path == "/writes" else body)
    signature = node.sign("POST", path, digest, expiry_seconds=soon)
    headers = [(wire.DIGEST_HEADER, digest)]
    sent = request("POST", path, signature=signature, body=body, headers=headers)
    assert status_of(node.send_raw(sent)) == 400


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
def test_a_compressed_body_is_refused(node, place, soon, encoding):
    """A small one could fill the memory."""
    body = gzip.compress(b" " * 1_000_000)
    signature = node.sign("POST", "/digests", digest_of(body), expiry_seconds=soon)
    headers = [(wire.DIGEST_HEADER, digest_of(body)), ("Content-Encoding", encoding)]
    sent = request("POST", "/digests", signature=signature, body=body, headers=headers)
    assert b"unsupported Content-Encoding" in node.send_raw(sent)
    put = put_request(node, place, DATA, soon)
    sent = put.replace(b"\r\n\r\n", f"\r\nContent-Encoding: {encoding}\r\n\r\n".encode(), 1)
    assert b"unsupported Content-Encoding" in node.send_raw(sent)
    assert is_nothing_there(node, place)


def test_an_expired_signature_is_refused(node, place):
    """For opening and closing."""
    past = int(time.time()) - 1
    path = routes.PUT_FILE.at(place, mtime_seconds=MTIME).path
    old_opening = node.sign("PUT", path, DIGEST_IN_TRAILER, expiry_seconds=past)
    old_closing = node.sign("PUT", path, digest_of(DATA), expiry_seconds=past)
    soon = past + 100
    for case in ({"opening": old_opening}, {"closing": old_closing}):
        assert status_of(node.send_raw(put_request(node, place, DATA, soon, **case))) == 403
    assert is_nothing_there(node, place)


def test_a_signature_far_in_the_future_is_refused(node, soon):
    """Only a machine whose clock is wrong makes one."""
    for expiry, status in ((soon + 400, 200), (soon + 600, 403), (4_102_444_800, 403)):
        signature = node.sign("GET", "/status", routes.EMPTY_DIGEST, expiry_seconds=expiry)
        sent = request("GET", "/status", signature=signature)
        assert status_of(node.send_raw(sent)) == status


def test_a_signature_covers_its_path(node, place, soon):
    """No other photo, mirror, time, or spelling."""
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


def test_a_signature_covers_its_method(node, soon):
    """A signed read deletes nothing."""
    held = variant_of(version_of(802), hint_for="west-1")
    node.put(held, DATA)
    path = routes.GET_FILE.at(held).path
    reading = node.sign("GET", path, digest_of(b""), expiry_seconds=soon)
    assert status_of(node.send_raw(request("GET", path, signature=reading))) == 200
    assert status_of(node.send_raw(request("DELETE", path, signature=reading))) == 403
    assert (node.root / held.path).exists()
    node.run(node.client.remove_hint(held))


def test_the_two_signatures_of_a_put_are_not_interchangeable(node, place, soon):
    """The opening signature does not publish bytes."""
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


def test_a_closing_signature_covers_its_bytes(node, place, soon):
    """A stolen opening signature publishes no other bytes."""
    path = routes.PUT_FILE.at(place, mtime_seconds=MTIME).path
    closing = node.sign("PUT", path, digest_of(b"other"), expiry_seconds=soon)
    sent = put_request(node, place, DATA, soon, closing=closing)
    assert status_of(node.send_raw(sent)) == 403
    assert is_nothing_there(node, place)


@pytest.mark.parametrize("closing", ["", "a.0.AAAAAAAAAAAAAAAAAAAAAAAA", "x" * 64, "-"])
@pytest.mark.parametrize("size", [500, 2 * 1024 * 1024])
def test_an_invalid_trailer_publishes_nothing(node, place, soon, closing, size):
    """For bodies of one and several batches."""
    data = bytes_of("body", size=size)
    body = data + closing.encode().ljust(wire.TRAILER_BYTES)
    path = routes.PUT_FILE.at(place, mtime_seconds=MTIME).path
    opening = node.sign("PUT", path, DIGEST_IN_TRAILER, expiry_seconds=soon)
    assert status_of(node.send_raw(request("PUT", path, signature=opening, body=body))) == 403
    assert is_nothing_there(node, place)


@pytest.mark.parametrize("cut", [1, 63, 64, 65, 563])
def test_a_truncated_body_publishes_nothing(node, place, soon, cut):
    """Its last bytes are not a valid trailer."""
    whole = put_request(node, place, DATA, soon)
    head, _, body = whole.partition(b"\r\n\r\n")
    body = body[:-cut]
    head = head.replace(b"Content-Length: 564", f"Content-Length: {len(body)}".encode())
    status = status_of(node.send_raw(head + b"\r\n\r\n" + body))
    assert status == (400 if len(body) < wire.TRAILER_BYTES else 403)
    assert is_nothing_there(node, place)


def test_a_bit_that_flips_in_transit_publishes_nothing(node, place, soon):
    """The signature covers the digest of the sent bytes."""
    whole = bytearray(put_request(node, place, DATA, soon))
    whole[-wire.TRAILER_BYTES - 10] ^= 1
    assert status_of(node.send_raw(bytes(whole))) == 403
    assert is_nothing_there(node, place)


def test_a_refused_request_closes_its_connection(node):
    """Its remaining bytes must not be parsed as another request."""
    smuggled = request("GET", "/metrics")
    sent = request("PUT", "/files/x", body=smuggled).replace(b"Connection: close\r\n", b"", 1)
    received = node.send_raw(sent + request("GET", "/metrics"))
    assert status_of(received) == 403
    assert received.count(b"HTTP/1.1 ") == 1
