"""No header of one client affects the response to the next client."""

import pytest

from tests.proxy_config.edge_requests import exchange, parse_response, send_request

POISON = {
    "Accept": "text/html",
    "Accept-Charset": "utf-7",
    "Accept-Encoding": "gzip, br, zstd",
    "Accept-Language": "tlh",
    "Authorization": "Basic eDp5",
    "Cache-Control": "no-cache, no-store, max-age=0",
    "CDN-Loop": "glassplate",
    "CF-Connecting-IP": "6.6.6.6",
    "Client-IP": "6.6.6.6",
    "Connection": "close, X-Poison",
    "Content-Type": "text/html",
    "Cookie": "a=b",
    "Date": "Thu, 01 Jan 1970 00:00:00 GMT",
    "DNT": "1",
    "Early-Data": "1",
    "Fastly-Client-IP": "6.6.6.6",
    "Forwarded": "host=evil.test;proto=gopher",
    "From": "evil@evil.test",
    "Front-End-Https": "on",
    "If-Match": "*",
    "If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT",
    "If-None-Match": '"poison"',
    "If-Range": '"poison"',
    "Max-Forwards": "0",
    "Origin": "https://evil.test",
    "Photo-Bytes": "1",
    "Photo-Class": "original",
    "Photo-Expiry": "99",
    "Photo-First": "0",
    "Photo-Path": "1/00/evil",
    "Photo-Unchecked": "yes",
    "Photo-Volume": "1",
    "Pragma": "no-cache",
    "Proxy": "http://evil.test",
    "Proxy-Authorization": "Basic eDp5",
    "Proxy-Connection": "keep-alive",
    "Range": "bytes=0-3",
    "Referer": "https://evil.test/<script>",
    "Sec-Fetch-Dest": "script",
    "Surrogate-Capability": "x=ESI/1.0",
    "TE": "trailers, gzip",
    "Trailer": "X-Poison",
    "True-Client-IP": "6.6.6.6",
    "Upgrade": "h2c",
    "Upgrade-Insecure-Requests": "1",
    "User-Agent": "<script>alert(1)</script>",
    "Via": "1.1 evil.test",
    "Want-Repr-Digest": "md5=9",
    "X-Accel-Buffering": "no",
    "X-Accel-Expires": "0",
    "X-Accel-Redirect": "/-/reproxy/1",
    "X-Cache-Key": "evil",
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Scheme": "http",
    "X-Host": "evil.test",
    "X-HTTP-Method-Override": "DELETE",
    "X-Method-Override": "PURGE",
    "X-Original-URL": "/1/00/evil",
    "X-Poison": "yes",
    "X-Real-IP": "6.6.6.6",
    "X-Requested-With": "XMLHttpRequest",
    "X-Rewrite-URL": "/1/00/evil",
    "X-Sendfile": "/etc/passwd",
    "X-Varnish": "1",
    "X-WAP-Profile": "http://evil.test",
}

NOT_COMPARED = ("date", "repr-digest", "x-request-id")
# Alone and in groups; Varnish accepts at most 64 headers.
SETS = {name: {name: value} for name, value in POISON.items()} | {
    "every other one": dict(list(POISON.items())[::2]),
    "every other one else": dict(list(POISON.items())[1::2]),
}


def test_there_are_enough_headers():
    """Each header is sent alone and with many others."""
    assert len(POISON) >= 60


@pytest.fixture(name="wanted", scope="module")
def _wanted(targets):
    """Return the expected response to a clean request, with the photo's bytes."""

    def wanted(target, photo, expiry):
        untouched = targets.new_photo()
        response = send_request(targets.address(target), untouched.url(expiry=expiry))
        assert (response.status, response.body) == (200, untouched.data)
        return response.without(*NOT_COMPARED), photo.data

    return wanted


@pytest.mark.parametrize("target", ["nginx", "varnish"])
@pytest.mark.parametrize("expiry", [0, 0xFFFFFFFF], ids=["permanent", "expiring"])
@pytest.mark.parametrize("headers", SETS.values(), ids=SETS)
def test_a_clean_request_gets_the_clean_response(targets, wanted, target, expiry, headers):
    """A photo first requested with a strange header is later served like any other photo."""
    photo = targets.new_photo()
    url = photo.url(expiry=expiry)
    assert send_poisoned(targets.address(target), url, headers) in {200, 206, 304}
    clean = send_request(targets.address(target), url)
    response, data = wanted(target, photo, expiry)
    assert clean.body == data
    comparable = clean.without(*NOT_COMPARED)
    assert (comparable.status, comparable.headers) == (response.status, response.headers)


def send_poisoned(address, url, headers):
    """Return the status of a request with these additional headers."""
    lines = [f"GET {url} HTTP/1.1", "Host: photos.test"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if "Connection" not in headers:
        lines.append("Connection: close")
    return parse_response(exchange(address, ("\r\n".join(lines) + "\r\n\r\n").encode())).status
