"""Conditional and range requests: a table of cases, compared with a real nginx."""

import doctest
import http.client
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storagenode.read_port import http_semantics
from storagenode.read_port.http_semantics import (
    Full,
    NotModified,
    Partial,
    PreconditionFailed,
    RangeNotSatisfiable,
    decide,
    etag_of,
    http_date,
)

MTIME = 1_700_000_000
SIZE = 1000
ETAG = etag_of(mtime_seconds=MTIME, size=SIZE)
NOW, EARLIER, LATER = http_date(MTIME), http_date(MTIME - 1), http_date(MTIME + 1)
STATUS = {
    Full: 200,
    Partial: 206,
    NotModified: 304,
    PreconditionFailed: 412,
    RangeNotSatisfiable: 416,
}

RANGES = {
    "bytes=0-0": Partial(0, 0),
    "bytes=0-9": Partial(0, 9),
    "bytes=0-": Partial(0, 999),
    "bytes=500-": Partial(500, 999),
    "bytes=999-": Partial(999, 999),
    "bytes=999-5000": Partial(999, 999),
    "bytes=0-999": Partial(0, 999),
    "bytes=0-1000": Partial(0, 999),
    "bytes=-1": Partial(999, 999),
    "bytes=-1000": Partial(0, 999),
    "bytes=-5000": Partial(0, 999),
    "bytes= 0 - 9 ": Partial(0, 9),
    "bytes=00000000000000000-9": Partial(0, 9),
    "BYTES=0-9": Partial(0, 9),
    "Bytes=0-9": Partial(0, 9),
    "bytes=1000-": RangeNotSatisfiable(),
    "bytes=1000-2000": RangeNotSatisfiable(),
    "bytes=-0": RangeNotSatisfiable(),
    "bytes=9-0": RangeNotSatisfiable(),
    "bytes=-": RangeNotSatisfiable(),
    "bytes=a-b": RangeNotSatisfiable(),
    "bytes=0": RangeNotSatisfiable(),
    "bytes=0x0-0x9": RangeNotSatisfiable(),
    "bytes=0-9x": RangeNotSatisfiable(),
    "bytes=--9": RangeNotSatisfiable(),
    "bytes=+0-9": RangeNotSatisfiable(),
    "bytes=0-9-": RangeNotSatisfiable(),
    "bytes=1.5-9": RangeNotSatisfiable(),
    f"bytes={'9' * 30}-": RangeNotSatisfiable(),
    f"bytes=0-{'9' * 30}": RangeNotSatisfiable(),
    f"bytes={'9' * 5000}-": RangeNotSatisfiable(),
    "bytes=0-0,5-6": Full(),
    "bytes=0-0, 5-6": Full(),
    "bytes 0-9": Full(),
    "bytes": Full(),
    "bytes=": Full(),
    "bytes =0-9": Full(),
    "items=0-9": Full(),
    "0-9": Full(),
}
IF_RANGES = {
    ETAG: Partial(0, 9),
    f"W/{ETAG}": Full(),
    '"other"': Full(),
    NOW: Partial(0, 9),
    EARLIER: Full(),
    LATER: Full(),
    "nonsense": Full(),
}
TAGS = [
    None,
    ETAG,
    f"W/{ETAG}",
    '"other"',
    f'"other", {ETAG}',
    f'"other",W/{ETAG}',
    "*",
    "nonsense",
]
DATES = [None, NOW, EARLIER, LATER, "nonsense"]
CONDITIONS = ("If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since")


def outcome_of(headers, *, size=SIZE):
    """Return the outcome of a request for a file of some size."""
    etag = etag_of(mtime_seconds=MTIME, size=size)
    return decide(headers, etag=etag, mtime_seconds=MTIME, size=size)


@pytest.mark.parametrize(("wanted", "outcome"), RANGES.items(), ids=lambda value: str(value)[:30])
def test_a_range_of_any_form(wanted, outcome):
    """A valid range is sent, an invalid one is refused, and other units are ignored."""
    assert outcome_of({"Range": wanted}) == outcome


@pytest.mark.parametrize(("condition", "outcome"), IF_RANGES.items())
def test_a_range_of_another_file_gets_the_full_file(condition, outcome):
    """A client must not combine parts of two files."""
    assert outcome_of({"Range": "bytes=0-9", "If-Range": condition}) == outcome
    assert outcome_of({"If-Range": condition}) == Full()


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({}, Full()),
        ({"If-None-Match": ETAG}, NotModified()),
        ({"If-None-Match": f"W/{ETAG}"}, NotModified()),
        ({"If-None-Match": "*"}, NotModified()),
        ({"If-None-Match": f'"other", {ETAG}'}, NotModified()),
        ({"If-None-Match": '"other"'}, Full()),
        ({"If-None-Match": ETAG, "Range": "bytes=0-9"}, NotModified()),
        ({"If-Modified-Since": NOW}, NotModified()),
        ({"If-Modified-Since": EARLIER}, Full()),
        ({"If-Modified-Since": LATER}, Full()),
        ({"If-Modified-Since": "nonsense"}, Full()),
        ({"If-None-Match": ETAG, "If-Modified-Since": NOW}, NotModified()),
        ({"If-None-Match": '"other"', "If-Modified-Since": NOW}, Full()),
        ({"If-None-Match": ETAG, "If-Modified-Since": EARLIER}, Full()),
        ({"If-Match": ETAG}, Full()),
        ({"If-Match": "*"}, Full()),
        ({"If-Match": f"W/{ETAG}"}, PreconditionFailed()),
        ({"If-Match": '"other"'}, PreconditionFailed()),
        ({"If-Match": '"other"', "If-None-Match": ETAG}, PreconditionFailed()),
        ({"If-Match": ETAG, "Range": "bytes=0-9"}, Partial(0, 9)),
        ({"If-Unmodified-Since": NOW}, Full()),
        ({"If-Unmodified-Since": LATER}, Full()),
        ({"If-Unmodified-Since": EARLIER}, PreconditionFailed()),
        ({"If-Unmodified-Since": "nonsense"}, Full()),
        ({"If-Match": '"other"', "If-Unmodified-Since": LATER}, PreconditionFailed()),
        ({"If-Match": ETAG, "If-Unmodified-Since": EARLIER}, PreconditionFailed()),
    ],
)
def test_conditions(headers, outcome):
    """Each condition alone and combined."""
    assert outcome_of(headers) == outcome


@pytest.mark.parametrize(
    ("text", "means_now"),
    [
        ("Tue, 14 Nov 2023 22:13:20 GMT", True),
        ("Tuesday, 14-Nov-23 22:13:20 GMT", True),
        ("Tue Nov 14 22:13:20 2023", True),
        ("Tue, 14 Nov 2023 22:13:20 -0000", True),
        ("Tue, 14 Nov 2023 22:13:21 GMT", False),
        ("Tue, 99 Nov 2023 22:13:20 GMT", False),
        ("Tue, 14 Nov 99999 22:13:20 GMT", False),
        ("", False),
    ],
)
def test_dates_of_every_form_are_gmt(text, means_now, monkeypatch):
    """In every time zone of the machine."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        outcome = outcome_of({"If-Modified-Since": text})
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert outcome == (NotModified() if means_now else Full())


def test_an_empty_file_has_no_ranges():
    """It has no first byte."""
    assert outcome_of({"Range": "bytes=0-"}, size=0) == RangeNotSatisfiable()
    assert outcome_of({"Range": "bytes=-5"}, size=0) == RangeNotSatisfiable()
    assert outcome_of({}, size=0) == Full()


HEADERS = st.dictionaries(
    st.sampled_from([*CONDITIONS, "Range", "If-Range"]),
    st.one_of(
        st.text(),
        st.text("bytes=-0123456789, "),
        st.sampled_from([*filter(None, TAGS), *filter(None, DATES), *RANGES]),
    ),
)


# The speed of generating examples on a loaded machine is not under test.
@given(HEADERS, st.integers(0, 2000))
def test_no_header_causes_an_invalid_outcome(headers, size):
    """Nothing raises, and every range is within the file."""
    outcome = outcome_of(headers, size=size)
    assert type(outcome) in STATUS
    if isinstance(outcome, Partial):
        assert 0 <= outcome.first <= outcome.last < size


def test_the_examples_in_the_docstrings_are_true():
    """The ETag equals nginx's."""
    outcome = doctest.testmod(http_semantics)
    assert (outcome.attempted >= 1, outcome.failed) == (True, 0)


@pytest.fixture(name="nginx", scope="module")
def _nginx():
    """Run a real nginx that serves a file of SIZE bytes from MTIME; return a connection to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file").write_bytes(bytes(SIZE))
        os.utime(folder / "file", (MTIME, MTIME))
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(
            f"{user} daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;"
            f"events {{}} http {{ access_log off; max_ranges 1; keepalive_requests 100000;"
            f"large_client_header_buffers 4 16k;"
            f"client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;"
            f"fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;"
            f"server {{ listen 127.0.0.1:{port}; root {folder}; }} }}"
        )
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert nginx, "make test installs nginx"
        process = subprocess.Popen([nginx, "-c", str(folder / "nginx.conf"), "-p", name])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            wait_until_listening(port)
            yield connection
        finally:
            connection.close()
            process.terminate()
            process.wait(10)


def wait_until_listening(port):
    """Return when the port accepts connections."""
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise AssertionError(f"nothing listens on port {port}")


def response_of_nginx(connection, headers):
    """Return status, content range, and body length of nginx's response."""
    connection.request("GET", "/file", headers=headers)
    response = connection.getresponse()
    body = response.read()
    if response.status == 412:
        connection.close()  # nginx closes the connection without announcing it
    return response.status, response.getheader("Content-Range"), len(body)


def expect(headers):
    """Return a node's outcome in the same terms."""
    outcome = outcome_of(headers)
    if isinstance(outcome, Partial):
        length = outcome.last - outcome.first + 1
        return 206, f"bytes {outcome.first}-{outcome.last}/{SIZE}", length
    return STATUS[type(outcome)], None, None


def differences(connection, cases):
    """Return the cases in which nginx differs."""
    found = []
    for headers in cases:
        status, content_range, length = response_of_nginx(connection, headers)
        wanted = expect(headers)
        got = (206, content_range, length) if status == 206 else (status, None, None)
        if got != wanted:
            found.append((headers, f"nginx {got}", f"node {wanted}"))
    return found


def test_nginx_gives_a_file_the_same_etag_and_date(nginx):
    """A client can then use either."""
    nginx.request("GET", "/file")
    response = nginx.getresponse()
    response.read()
    assert response.getheader("ETag") == ETAG
    assert response.getheader("Last-Modified") == NOW


def test_nginx_handles_ranges_alike(nginx):
    """In every form, with and without every condition."""
    cases = [{"Range": wanted} for wanted in RANGES]
    cases += [
        {"Range": wanted, "If-Range": condition}
        for wanted in ("bytes=0-9", "bytes=2000-", "bytes=0-0,2-3")
        for condition in IF_RANGES
    ]
    assert differences(nginx, cases) == []


def test_nginx_handles_conditions_alike(nginx):
    """In every combination, except invalid dates, which nginx treats as before all files."""
    cases = [
        {name: value for name, value in zip(CONDITIONS, values, strict=True) if value is not None}
        for values in itertools.product(TAGS, DATES, TAGS, DATES)
    ]
    cases = [headers for headers in cases if headers.get("If-Unmodified-Since") != "nonsense"]
    assert len(cases) == 1280
    assert differences(nginx, cases) == []
