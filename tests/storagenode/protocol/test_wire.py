"""The wire protocol: rendered values are parsed back, and invalid input is refused."""

import json
from dataclasses import asdict
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storagenode.protocol import errors, routes, wire
from storagenode.protocol.files import ListedFile
from storagenode.protocol.framing import HEADER_BYTES_MAX
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import BundledFile, Pull
from tests.storagenode.photo_samples import variant_of, version_of
from volumes.photo_id import ALPHABET
from volumes.photo_path import (
    EXTENSIONS,
    Info,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    parse_path,
)

VERSIONS = st.builds(
    PhotoVersion,
    st.integers(1, 65535),
    st.text(ALPHABET, min_size=16, max_size=16),
    st.text(ALPHABET, min_size=6, max_size=6),
)
FILES = st.one_of(
    st.builds(Variant, VERSIONS, st.sampled_from("osm"), st.sampled_from(EXTENSIONS)),
    st.builds(Info, VERSIONS),
    st.builds(VersionTombstone, VERSIONS),
    st.builds(PhotoTombstone, st.integers(1, 65535), st.text(ALPHABET, min_size=16, max_size=16)),
)
NODES = st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True)
PLACES = st.builds(Place, FILES, st.none() | NODES)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
SECONDS = st.integers(0, 999_999_999_999)


@given(PLACES, SECONDS, DIGESTS)
@pytest.mark.parametrize("route", [routes.PUT_FILE, routes.WRITE_TOMBSTONE, routes.RESTORE_DIGEST])
def test_a_place_comes_back_from_its_target(route, place, mtime_seconds, digest):
    """Path and query together."""
    target = route.at(place, mtime_seconds=mtime_seconds, digest=digest)
    url = urlsplit(target.path)
    hint_for, mtime = wire.parse_query(url.query)
    prefix = route.template.removesuffix("{path}")
    assert url.path.startswith(prefix)
    assert Place(parse_path(url.path.removeprefix(prefix)), hint_for) == place
    assert mtime == mtime_seconds
    assert f"sha256={digest}" in url.query
    assert (target.method, target.signed) == (route.method, route.signed)


@given(PLACES)
def test_a_target_without_a_time_has_the_time_0(place):
    """A GET has none."""
    url = urlsplit(routes.GET_FILE.at(place).path)
    assert wire.parse_query(url.query) == (place.hint_for, 0)


def test_every_route_is_in_the_table_once():
    """Two routes with the same method and path would shadow one another."""
    lines = [(route.method, route.template) for route in routes.ROUTES]
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize(
    "query",
    [
        "hint_for=../../42", "hint_for=.", "hint_for=a/b", "hint_for=West", "hint_for=%2e%2e",
        "hint_for=" + "a" * 33, "mtime=x", "mtime=-1", "mtime=1.5", "mtime=%D9%A1", "mtime=1e9",
        "mtime=" + "1" * 13,
    ],
)  # fmt: skip
def test_an_invalid_query_is_refused(query):
    """A node id becomes a directory name, and a time is a whole second."""
    with pytest.raises(errors.BadRequest):
        wire.parse_query(query)


@given(st.lists(st.builds(BundledFile, st.text(), DIGESTS, st.binary(max_size=200)), max_size=20))
def test_a_bundle_comes_back_from_its_bytes(files):
    """With any bytes, including line feeds."""
    assert wire.parse_bundle(wire.render_bundle(files)) == tuple(files)


@given(st.binary(max_size=300))
def test_noise_is_not_a_bundle(body):
    """It is refused."""
    try:
        files = wire.parse_bundle(body)
    except errors.BadRequest:
        return
    assert sum(len(file.data) for file in files) + body.find(b"\n") + 1 == len(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"[]",
        b"{}\nabc",
        b"[]\nabc",
        b'[{"path": "a", "bytes": 4, "sha256": "x"}]\nabc',
        b'[{"path": "a", "bytes": 2, "sha256": "x"}]\nabc',
        b'[{"path": "a", "bytes": 5, "sha256": ""}, {"path": "b", "bytes": -2, "sha256": ""}]\nabc',
        b'[{"path": "a", "bytes": "x", "sha256": ""}]\nabc',
        b'[{"path": "a", "bytes": 3}]\nabc',
        b'["path"]\nabc',
        b"[1]\nabc",
        b"null\nabc",
        b" " * (HEADER_BYTES_MAX + 1) + b"[]\n",
    ],
)
def test_an_invalid_bundle_is_refused(body):
    """Truncated, overlong, or with other rows."""
    with pytest.raises(errors.BadRequest):
        wire.parse_bundle(body)


@given(
    st.builds(
        Pull,
        place=PLACES,
        source_node=st.text(),
        source=st.text(),
        source_place=PLACES,
        digest=DIGESTS,
    )
)
def test_a_pull_comes_back_from_its_json(pull):
    """With places, source, and digest."""
    assert wire.parse_pull(wire.render_pull(pull)) == pull


@pytest.mark.parametrize(
    "change",
    [
        {"place": None},
        {"place": {}},
        {"place": {"path": "42/k7/x", "hint_for": ""}},
        {"place": {"path": ".node", "hint_for": ""}},
        {"place": {"path": 7, "hint_for": ""}},
        {"source_place": {"path": "42/k7/01jd3x8m2c9qp4k7.gone", "hint_for": "../x"}},
        {"source_place": {"path": "42/k7/01jd3x8m2c9qp4k7.gone", "hint_for": 7}},
        {"source": ...},
        {"sha256": ...},
    ],
)
def test_an_invalid_pull_is_refused(change):
    """One field is missing or invalid."""
    place = variant_of(version_of(1))
    pull = json.loads(
        wire.render_pull(
            Pull(place=place, source_node="a", source="http://a:1", source_place=place, digest="d")
        )
    )
    changed = {key: value for key, value in {**pull, **change}.items() if value is not ...}
    with pytest.raises(errors.BadRequest):
        wire.parse_pull(json.dumps(changed).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff"])
def test_noise_is_not_a_pull(body):
    """Even if it is valid JSON."""
    with pytest.raises(errors.BadRequest):
        wire.parse_pull(body)


@given(st.lists(st.builds(ListedFile, st.text(), st.integers(0), DIGESTS | st.just(""))))
def test_a_listing_comes_back_from_its_json(files):
    """Also through JSON as text."""
    rows = json.loads(json.dumps(wire.render_listing(files)))
    assert wire.parse_listing(rows) == tuple(files)


@given(st.text("abcdefABCDEF0123456789.-_", max_size=64))
def test_a_closing_signature_comes_back_from_its_trailer(signature):
    """Trailers have a constant length."""
    trailer = wire.render_trailer(signature)
    assert len(trailer) == wire.TRAILER_BYTES
    assert wire.parse_trailer(trailer) == signature


def test_a_trailer_of_any_bytes_is_parsed_as_text():
    """The verifier decides about the signature."""
    assert isinstance(wire.parse_trailer(bytes(range(192, 256))), str)


def test_a_status_comes_back_from_its_json():
    """The client parses it the same way."""
    status = wire.NodeStatus(
        node="east-1", uuid="u", colo="east", boot="b", volumes=(1, 2), free_bytes=3,
        total_bytes=4, accepts_new_photos=True, suspect_reason="", hints=5,
    )  # fmt: skip
    assert wire.parse_status(json.loads(json.dumps(asdict(status)))) == status


@pytest.mark.parametrize(("kind", "wire_name"), errors.ERRORS_ON_THE_WIRE.items())
def test_an_error_comes_back_from_its_response(kind, wire_name):
    """Its class and its text."""
    name, status = wire_name
    rendered = errors.render_error(kind("why"))
    assert rendered == (status, name, "why")
    error = errors.parse_error(*rendered)
    assert type(error) is kind
    assert str(error) == "why"


def test_errors_without_a_name_are_plain():
    """An unreachable third node tells nothing about the responding node."""
    assert errors.render_error(errors.Unreachable("x")) == (500, "node-error", "x")
    assert errors.render_error(errors.StoreNotWritable("x")) == (500, "node-error", "x")
    unknown = errors.parse_error(418, "teapot", "")
    assert type(unknown) is errors.NodeError
    assert str(unknown) == "the node returned status 418"
