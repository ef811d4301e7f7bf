"""The wire protocol: what is rendered is parsed back, and what is none of it is refused."""

import json
from dataclasses import asdict
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storagenode.protocol import errors, wire
from storagenode.protocol.files import ListedFile
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
    render_stem,
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


@given(PLACES, SECONDS, st.sampled_from(["files", "tombstones", "quarantine"]))
def test_a_place_comes_back_from_its_request_path(place, mtime_seconds, route):
    """Path and query together."""
    url = urlsplit(wire.file_path(place, route=route, mtime_seconds=mtime_seconds))
    hint_for, mtime = wire.parse_query(url.query)
    assert url.path.startswith(f"/{route}/")
    file = parse_path(url.path.removeprefix(f"/{route}/"))
    assert (Place(file, hint_for), mtime) == (place, mtime_seconds)


@given(PLACES)
def test_a_place_without_a_time_has_the_time_nought(place):
    """A GET has none."""
    assert wire.parse_query(urlsplit(wire.file_path(place)).query) == (place.hint_for, 0)


@given(VERSIONS, st.none() | NODES, SECONDS)
def test_a_bundle_s_request_path_says_whose_it_is(photo_version, hint_for, mtime_seconds):
    """Its stem, whom it is owed to, its time."""
    url = urlsplit(wire.bundle_path(photo_version, hint_for, mtime_seconds=mtime_seconds))
    assert wire.parse_query(url.query) == (hint_for, mtime_seconds)
    assert url.path == f"/bundles/{render_stem(photo_version)}"


@given(PLACES, DIGESTS)
def test_an_adoption_s_request_path_has_place_and_digest(place, digest):
    """The digest stands beside what every query has."""
    url = urlsplit(wire.restore_digest_path(place, digest))
    assert wire.parse_query(url.query) == (place.hint_for, 0)
    assert f"sha256={digest}" in url.query


@pytest.mark.parametrize(
    "query",
    [
        "hint_for=../../42", "hint_for=.", "hint_for=a/b", "hint_for=West", "hint_for=%2e%2e",
        "hint_for=" + "a" * 33, "mtime=x", "mtime=-1", "mtime=1.5", "mtime=%D9%A1", "mtime=1e9",
        "mtime=" + "1" * 13,
    ],
)  # fmt: skip
def test_a_query_that_is_none_is_refused(query):
    """An id becomes a directory's name, a time is a whole second."""
    with pytest.raises(errors.BadRequest):
        wire.parse_query(query)


@given(st.lists(st.builds(BundledFile, st.text(), DIGESTS, st.binary(max_size=200)), max_size=20))
def test_a_bundle_comes_back_from_its_bytes(files):
    """Whatever the bytes are, line ends too."""
    assert wire.parse_bundle(wire.render_bundle(files)) == tuple(files)


@given(st.binary(max_size=300))
def test_noise_is_no_bundle(body):
    """And it is refused as such."""
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
        b" " * (wire.BUNDLE_HEADER_BYTES_MAX + 1) + b"[]\n",
    ],
)
def test_a_bundle_that_is_none_is_refused(body):
    """Cut short, too long, or of another shape."""
    with pytest.raises(errors.BadRequest):
        wire.parse_bundle(body)


@given(st.builds(Pull, place=PLACES, source=st.text(), source_place=PLACES, digest=DIGESTS))
def test_a_pull_comes_back_from_its_json(pull):
    """Both places, source and digest."""
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
def test_a_pull_that_is_none_is_refused(change):
    """One field missing, or not what it should be."""
    place = variant_of(version_of(1))
    pull = json.loads(
        wire.render_pull(Pull(place=place, source="http://a:1", source_place=place, digest="d"))
    )
    changed = {key: value for key, value in {**pull, **change}.items() if value is not ...}
    with pytest.raises(errors.BadRequest):
        wire.parse_pull(json.dumps(changed).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff"])
def test_noise_is_no_pull(body):
    """Whatever JSON it is."""
    with pytest.raises(errors.BadRequest):
        wire.parse_pull(body)


@given(st.lists(st.builds(ListedFile, st.text(), st.integers(0), DIGESTS | st.just(""))))
def test_a_listing_comes_back_from_its_json(files):
    """Also through JSON as text."""
    rows = json.loads(json.dumps(wire.render_listing(files)))
    assert wire.parse_listing(rows) == tuple(files)


@given(st.text("abcdefABCDEF0123456789.-_", max_size=64))
def test_a_closing_signature_comes_back_from_its_trailer(signature):
    """Which always has the same length."""
    trailer = wire.render_trailer(signature)
    assert len(trailer) == wire.TRAILER_BYTES
    assert wire.parse_trailer(trailer) == signature


def test_a_trailer_of_any_bytes_is_a_text():
    """One that is no signature, but that is for the verifier to say."""
    assert isinstance(wire.parse_trailer(bytes(range(192, 256))), str)


def test_a_status_comes_back_from_its_json():
    """As the client makes it."""
    status = wire.NodeStatus(
        node="east-1", uuid="u", colo="east", boot="b", volumes=(1, 2), free_bytes=3,
        total_bytes=4, accepts_new_photos=True, suspect_reason="", hints=5,
    )  # fmt: skip
    fields = json.loads(json.dumps(asdict(status)))
    tuples = {name: tuple(fields[name]) for name in ("volumes", "fenced")}
    assert wire.NodeStatus(**{**fields, **tuples}) == status


@pytest.mark.parametrize(("kind", "status"), wire.STATUS_OF_ERROR.items())
def test_an_error_comes_back_from_its_answer(kind, status):
    """Its class and its words."""
    rendered = wire.render_error(kind("why"))
    assert rendered == (status, kind.__name__, "why")
    error = wire.parse_error(*rendered)
    assert type(error) is kind
    assert str(error) == "why"


def test_errors_that_have_no_status_of_their_own_are_plain():
    """That a third node cannot be reached is no news of the one that was asked."""
    assert wire.render_error(errors.Unreachable("x")) == (500, "NodeError", "x")
    assert wire.render_error(errors.StoreNotWritable("x")) == (500, "NodeError", "x")
    unknown = wire.parse_error(418, "Teapot", "")
    assert type(unknown) is errors.NodeError
    assert str(unknown) == "the node answered 418"
