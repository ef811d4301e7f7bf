"""Grammar of permission URLs: 400, 403, and the fields of a valid one."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from permission_urls import (
    MALFORMED_REGEX,
    PERMISSION_URL_REGEX,
    MalformedUrl,
    NoPermission,
    Permission,
    PermittedPath,
    parse_permission_url,
    render_permission_url,
    strip_permission,
)

URL = "/42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.a.6553f164.9RfLNocbT8gzOmeI_boBpbaO.jpg"
MAC = "9RfLNocbT8gzOmeI_boBpbaO"
CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@st.composite
def permitted_paths(draw):
    """Return any parsed permission URL; its MAC is random."""
    photo = draw(st.text(alphabet=CROCKFORD, min_size=16, max_size=16))
    version = draw(st.text(alphabet=CROCKFORD, min_size=6, max_size=6))
    volume = draw(st.integers(min_value=1, max_value=65535))
    return PermittedPath(
        stem=f"{volume}/{photo[-2:]}/{photo}_{version}",
        size=draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz")),
        ext=draw(st.sampled_from(["jpg", "png", "gif", "webp", "avif", "heic", "tif"])),
        permission=Permission(
            key_id=draw(st.from_regex("[a-z0-9]{1,4}(-(w|wl|lo)?[1-9])?", fullmatch=True)),
            expiry=draw(st.integers(min_value=0, max_value=16**10 - 1)),
            mac=draw(st.text(alphabet=BASE64URL, min_size=24, max_size=24)),
        ),
    )


def test_a_url_falls_into_its_parts():
    """Each field is named, and the path is the URL without its permission."""
    permitted = parse_permission_url(URL)
    assert permitted.path == "42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg"
    assert permitted.stem == "42/k7/01jd3x8m2c9qp4k7_3fz8qd"
    assert (permitted.volume, permitted.shard) == (42, "k7")
    assert (permitted.photo, permitted.version) == ("01jd3x8m2c9qp4k7", "3fz8qd")
    assert (permitted.size, permitted.ext) == ("m", "jpg")
    assert permitted.permission == Permission(key_id="a", expiry=1_700_000_100, mac=MAC)


def test_bytes_and_text_are_the_same():
    """Bytes and text give the same result."""
    assert parse_permission_url(URL.encode()) == parse_permission_url(URL)


@settings(max_examples=200)
@given(permitted=permitted_paths())
def test_rendering_and_parsing_a_url_are_inverse(permitted):
    """There is exactly one URL per value, and one value per URL."""
    url = render_permission_url(permitted)
    assert parse_permission_url(url) == permitted
    assert render_permission_url(parse_permission_url(url)) == url


@pytest.mark.parametrize(
    "target",
    ["", "*", "a", "42/k7", "http://other/42", "/%", "/a%2fb", "//", "/a//b", "/.", "/a/./b",
     "/a/../b", "/;", "/a;b", "/?", "/a?b=c", "/\x80", "/\xff", "/\u0131", "/\U0001f4f7",
     "/" + "a" * 512, "/" + "a" * (1 << 20), "/" + "é" * 256, "/a" * 10_000],
)  # fmt: skip
def test_row_one_is_400(target):
    """No slash at the beginning, a forbidden byte, or more than 512 bytes."""
    with pytest.raises(MalformedUrl):
        parse_permission_url(target)
    with pytest.raises(MalformedUrl):
        parse_permission_url(target.encode())


@pytest.mark.parametrize(
    "target",
    ["/", "/42", "/42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg", "/" + "a" * 511, "/a\n", "/\0", "/\x7f",
     "/a b", "/a\\b", "/a#b", "/\n" + URL[1:], URL + "\n", URL + "\r\n", URL + URL,
     URL.replace("/42/", "/65536/"), URL.replace("/42/", "/0/"), URL.replace("/42/", "/4_2/"),
     URL.replace("6553f164", "06553f16"), URL.replace(MAC, MAC + "=")],
)  # fmt: skip
def test_row_two_is_403(target):
    """Every other target that is not a permission URL."""
    with pytest.raises(NoPermission):
        parse_permission_url(target)
    with pytest.raises(NoPermission):
        parse_permission_url(target.encode())


@settings(max_examples=200)
@given(permitted=permitted_paths())
def test_what_is_a_permission_url_is_never_malformed(permitted):
    """A fast verifier can therefore try row two before row one."""
    assert re.search(MALFORMED_REGEX, render_permission_url(permitted)) is None


def test_the_regular_expressions_can_be_used_by_every_engine():
    """No named groups, at most nine groups, and no Python-only syntax."""
    for regex in (MALFORMED_REGEX, PERMISSION_URL_REGEX):
        assert re.compile(regex).groups <= 9
        assert not re.search(
            r"\(\?[P<#i-]|\\[AZdwszb]|\(\?>|[+*?}]\+", regex.replace(r"[\s\S]", "")
        )
        assert regex.isascii()


@settings(max_examples=200)
@given(
    permitted=permitted_paths(),
    at=st.integers(min_value=0, max_value=120),
    text=st.text(alphabet=st.characters(max_codepoint=255), max_size=3),
)
def test_a_log_line_never_holds_a_mac(permitted, at, text):
    """A log line of any target contains neither a MAC nor a line end."""
    url = render_permission_url(permitted)
    changed = url[:at] + text + url[at:]
    line = strip_permission(changed)
    assert permitted.permission.mac not in line
    assert line.isprintable()
    assert line == strip_permission(changed.encode("latin-1"))


def test_a_stripped_url_still_says_which_file_key_and_expiry():
    """The stripped URL keeps path, key, and expiry for statistics."""
    stripped = strip_permission(URL)
    assert stripped == "/42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.a.6553f164.*.jpg"
    assert strip_permission(URL + "?x=1") == "/42/k7/01jd3x8m2c9qp4k7_3fz8qd_m*"
    with pytest.raises(NoPermission):
        parse_permission_url(stripped)


def test_no_repr_shows_a_mac():
    """A value is safe to log."""
    assert MAC not in repr(parse_permission_url(URL))
