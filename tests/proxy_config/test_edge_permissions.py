"""Permission checks of edges: the golden vectors, and cached photos."""

import time

import pytest

from tests.permission_urls.reference_verifier import judge
from tests.proxy_config.edge_requests import (
    GOLDEN_URLS,
    READ_KEYS,
    SIZE_CLASSES,
    in_seconds,
    new_photo_path,
    send_request,
    sign,
)
from tests.proxy_config.fake_node import bytes_of

KEYS = {key_id: bytes.fromhex(key) for key_id, key in READ_KEYS.items()}


@pytest.fixture(name="numbers", scope="module")
def _numbers():
    """All volumes of the golden vectors."""
    return "1-65535"


def fits_request_line(url):
    """Return True if the target can be sent in a request line unchanged, and needs a permission."""
    return url.startswith("/") and url != "/" and all(ord(c) > 0x20 and ord(c) != 0x7F for c in url)


def test_every_golden_url_gets_the_verdict_of_the_reference(edge):
    """Each vector gets 200, 400, or 403, and a 200 has the bytes of the right photo."""
    urls = [vector["url"] for vector in GOLDEN_URLS["vectors"] if fits_request_line(vector["url"])]
    assert len(urls) >= 200
    wrong = []
    for url in urls:
        raw, now = url.encode("latin-1"), int(time.time())
        verdict, path = judge(raw, now=now, read_keys=KEYS, size_classes=SIZE_CLASSES)
        wanted = (200, bytes_of(path)) if path else (int(verdict), None)
        response = send_request(edge.address, url)
        if (response.status, response.body if path else None) != wanted:
            wrong.append((url, verdict, response.status))
    assert not wrong


def test_a_url_that_expires_dies_at_its_second(edge):
    """A permission is valid until its expiry and forbidden afterwards, also for a cached photo."""
    path = new_photo_path()
    url = sign(path, expiry=in_seconds(2))
    assert send_request(edge.address, url).status == 200
    time.sleep(2.1)
    assert send_request(edge.address, url).status == 403


@pytest.mark.parametrize("expiry", [0, 0xFFFFFFFF])
def test_a_cached_photo_is_opened_by_its_own_permission_only(edge, expiry):
    """A cached photo is forbidden without a valid permission for it."""
    path, other = new_photo_path(), new_photo_path()
    url = sign(path, expiry=expiry)
    assert send_request(edge.address, url).status == send_request(edge.address, url).status == 200
    mac, other_mac = url.split(".")[3], sign(other, expiry=expiry).split(".")[3]
    bad = [
        f"/{path}",
        url.replace(mac, other_mac),
        url.replace(mac, mac[:-1] + ("A" if mac[-1] != "A" else "B")),
        url.replace(".a.", ".b2."),
        url.replace(".a.", ".old."),
        sign(path, expiry=expiry, size_class="original"),
        url.replace("_m.", "_o."),
        url.replace("/42/", "/43/"),
        url.replace(".0." if expiry == 0 else f".{expiry:x}.", ".7fffffff."),
    ]
    responses = [send_request(edge.address, bad_url) for bad_url in bad]
    assert [response.status for response in responses] == [403] * len(bad)
    assert {response.body for response in responses} == {b"forbidden\n"}


def test_one_permission_opens_every_size_of_its_class_and_no_other(edge):
    """The MAC of a medium size opens the large web size, but not the original."""
    medium = new_photo_path()
    url = sign(medium)
    assert send_request(edge.address, url.replace("_m.", "_b.")).status == 200
    assert send_request(edge.address, url.replace("_m.", "_k.")).status == 403
    assert send_request(edge.address, url.replace("_m.", "_o.")).status == 403


def test_urls_that_expire_share_what_is_cached(edge, nodes):
    """Different permissions for one photo share one cached copy."""
    path = new_photo_path()
    statuses = [
        send_request(edge.address, sign(path, expiry=in_seconds(600 + n))).status for n in range(20)
    ]
    assert statuses == [200] * 20
    assert nodes[0].request_count(path) == 1


@pytest.mark.parametrize("key_id", sorted(READ_KEYS))
def test_every_key_that_verifies_opens(edge, key_id):
    """All accepted keys are valid during a rotation."""
    assert send_request(edge.address, sign(new_photo_path(), key_id=key_id)).status == 200


def test_the_node_gets_the_whole_url(edge, nodes):
    """The node gets the permission, so that it can check it again."""
    path = new_photo_path()
    send_request(edge.address, sign(path))
    assert sign(path) in {target for _, target, _ in nodes[0].requests}


def test_a_rejected_request_reaches_no_node(edge, nodes):
    """A rejected request never reaches a node."""
    path = new_photo_path()
    for bad in (f"/{path}", sign(path, size_class="large"), sign(path, expiry=1), "/%2f"):
        send_request(edge.address, bad)
    assert nodes[0].request_count(path) == nodes[1].request_count(path) == 0
