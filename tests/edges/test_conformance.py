"""A node, nginx, and Varnish give the same responses, cached or not."""

import base64
import hashlib

import pytest

from storagenode.protocol.agreement import KEYS_HEADER, MAP_HEADER, TLS_HEADER
from storagenode.protocol.routes import FRONT_LINES
from storagenode.read_port.http_semantics import etag_of, http_date
from tests.edges.conformance_table import ERROR_TEXTS, Case, cases
from tests.edges.read_targets import TARGETS, Photo
from tests.proxy_config.edge_requests import Response, send_request
from tests.storagenode.photo_samples import MTIME

SAFETY_HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "cross-origin",
}
ALLOWED = "GET, HEAD, OPTIONS"
FRONT_PAGE = "".join(f"{line}\n" for line in FRONT_LINES).encode()
# Headers that depend on the connection or the program.
NOT_COMPARED = ("date", "server", "connection", "x-request-id")
# A node states what it has agreed on to storagemasters.
OF_A_NODE = (MAP_HEADER.lower(), KEYS_HEADER.lower(), TLS_HEADER.lower())
# nginx has separate paths for URLs with and without expiry.
LIFETIMES = {0: "public, max-age=31536000, immutable", 0xFFFFFFFF: "public, max-age=31536000"}
TABLE = list(cases())


@pytest.fixture(name="photo_of", scope="session")
def _photo_of(targets):
    """Return a photo for each case and lifetime, the same at every target."""
    made: dict[tuple[str, int], Photo] = {}

    def photo_of(case: Case, expiry: int) -> Photo:
        key = (case.name, expiry)
        if key not in made:
            made[key] = targets.new_photo()
        return made[key]

    return photo_of


def expected(case: Case, photo: Photo, cache_control: str) -> Response:
    """Return the complete expected response."""
    headers, body = dict(SAFETY_HEADERS), b""
    if case.status == 204:
        headers |= {"allow": ALLOWED, "cache-control": "no-store"}
    elif case.target in {"/healthz", "/", "http://photos.test/"} and case.status == 200:
        body = b"ok\n" if case.target == "/healthz" else FRONT_PAGE
        headers |= {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
    elif case.status < 400:
        etag = etag_of(mtime_seconds=MTIME, size=len(photo.data))
        digest = base64.b64encode(hashlib.sha256(photo.data).digest()).decode()
        headers |= {"etag": etag, "last-modified": http_date(MTIME), "cache-control": cache_control}
        headers["repr-digest"] = f"sha-256=:{digest}:"
        body = photo.data if case.status == 200 else b""
        if case.part:
            first, last = case.part
            body = photo.data[first : last + 1]
            headers["content-range"] = f"bytes {first}-{last}/{len(photo.data)}"
        if case.status != 304:
            headers["content-type"] = "image/jpeg"
        if case.status == 200:
            headers["accept-ranges"] = "bytes"
    else:
        body = f"{ERROR_TEXTS[case.status]}\n".encode()
        headers |= {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
        if case.status == 405:
            headers["allow"] = ALLOWED
        if case.status == 416:
            headers["content-range"] = f"bytes */{len(photo.data)}"
    if case.status not in {204, 304}:
        headers["content-length"] = str(len(body))
    return Response(case.status, headers, b"" if case.method == "HEAD" else body)


def test_the_table_has_no_case_twice():
    """Each case has its own name and its own photo."""
    assert len({case.name for case in TABLE}) == len(TABLE)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", TABLE, ids=lambda case: ascii(case.name)[:80])
def test_the_response_matches_the_table_cold_and_warm(targets, photo_of, case, target):
    """Status, headers, and body are right on the first request and from the cache."""
    for expiry, cache_control in LIFETIMES.items():
        photo = photo_of(case, expiry)
        wanted = expected(case, photo, cache_control)
        url = case.target.format(url=photo.url(expiry=expiry))
        for temperature in ("cold", "warm"):
            response = send_request(
                targets.address(target), url, method=case.method, headers=case.filled_headers()
            )
            ignored = NOT_COMPARED + (OF_A_NODE if target == "node" else ())
            assert response.without(*ignored) == wanted, temperature
