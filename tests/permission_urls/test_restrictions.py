"""A restricted read key signs URLs of some classes, or that end soon, and nothing else."""

import re

import pytest

from permission_urls import (
    BadMac,
    BeyondRestriction,
    DerivedKey,
    Expired,
    InvalidKeys,
    Key,
    KeyRing,
    Keys,
    KeyState,
    Purpose,
    ReadSigner,
    Restriction,
    RetiredKey,
    Unsignable,
    Verifier,
    derived_key,
    derived_keys,
    parse_keys,
    render_keys,
    restricted_key,
    restriction_of,
)
from permission_urls.restrictions import SLACK_SECONDS, URL_KEY_PATTERN, restriction_in

HOUR_SECONDS = 3600


@pytest.fixture(name="verifier")
def _verifier(ring, size_classes):
    return Verifier(ring, size_classes)


def key_of(ring, restriction, key_id="a"):
    """Return a restricted key of the ring."""
    return restricted_key(DerivedKey(key_id, derived_key(ring, key_id, Purpose.READ)), restriction)


WEB = restriction_of(["web"], None)
HOUR = restriction_of([], 1)


@pytest.mark.parametrize(
    ("classes", "hours", "text"),
    [
        (["web"], None, "w"),
        (["large", "web"], None, "wl"),
        (["original"], 168, "o168"),
        (["original", "web"], 9999, "wo9999"),
        ([], 1, "1"),
        ([], None, ""),
        (["web", "original", "large"], 24, "24"),
    ],
)
def test_a_restriction_has_one_spelling(classes, hours, text):
    """Classes stand in one order, and all classes have an empty spelling."""
    restriction = restriction_of(classes, hours)
    assert restriction.text == text
    assert restriction_in(f"a-{text}" if text else "a") == restriction
    assert re.fullmatch(URL_KEY_PATTERN, f"a-{text}") or not text


@pytest.mark.parametrize(
    "text", ["", "lw", "ww", "wlo", "x", "0", "01", "w0", "10000", "1w", "w-1"]
)
def test_any_other_spelling_is_no_key(text):
    """A class that is repeated, out of order, or unknown, or a number with a zero before it."""
    assert re.fullmatch(URL_KEY_PATTERN, f"a-{text}") is None


@pytest.mark.parametrize(("classes", "hours"), [(["thumb"], None), ([], 0), ([], 10_000)])
def test_a_restriction_that_no_url_can_name_is_refused(classes, hours):
    """Its class is unknown, or its lifetime out of range."""
    with pytest.raises(Unsignable):
        restriction_of(classes, hours)


@pytest.mark.parametrize("size", ["m", "k", "o"])
def test_a_key_for_web_opens_no_other_class(ring, verifier, size_classes, stem, now, size):
    """Its MAC is valid for every class that it is made for, and the verifier refuses others."""
    signer = ReadSigner(key_of(ring, WEB))
    url = signer.url(f"{stem}_{size}.jpg", size_class=size_classes[size])
    if size == "m":
        assert verifier.verify(url, now).permission.key_id == "a-w"
        return
    with pytest.raises(BeyondRestriction):
        verifier.verify(url, now)


@pytest.mark.parametrize("keys_of", ["ring", "derived keys"])
@pytest.mark.parametrize(
    ("ahead_seconds", "error"),
    [
        (HOUR_SECONDS, None),
        (HOUR_SECONDS + SLACK_SECONDS, None),
        (HOUR_SECONDS + SLACK_SECONDS + 1, BeyondRestriction),
        (10**8, BeyondRestriction),
        (None, BeyondRestriction),
        (0, Expired),
    ],
)
def test_a_longest_lifetime_is_held(ring, size_classes, path, now, keys_of, ahead_seconds, error):
    """A URL that ends later, or never, is refused until its end is near enough."""
    verifier = Verifier(
        ring if keys_of == "ring" else derived_keys(ring, Purpose.READ), size_classes
    )
    expiry = 0 if ahead_seconds is None else now + ahead_seconds
    url = ReadSigner(key_of(ring, HOUR)).url(path, size_class="web", expiry_seconds=expiry)
    for _ in ("new", "cached"):
        if error is None:
            assert verifier.verify(url, now).path == path
            continue
        with pytest.raises(error):
            verifier.verify(url, now)


@pytest.mark.parametrize("other", ["a", "a-wl", "a-w1", "a-o", "b2-w", "a-l"])
def test_a_restriction_cannot_be_changed(ring, verifier, path, now, other):
    """Each one has a key of its own, which does not follow from another restricted key."""
    url = ReadSigner(key_of(ring, WEB)).url(path, size_class="web")
    with pytest.raises(BadMac):
        verifier.verify(url.replace(".a-w.", f".{other}."), now)


def test_a_restricted_key_ends_with_the_key_that_it_derives_from(ring, size_classes, path, now):
    """Retiring the read key is enough."""
    url = ReadSigner(key_of(ring, WEB, "b2")).url(path, size_class="web")
    assert Verifier(ring, size_classes).verify(url, now)
    with pytest.raises(RetiredKey):
        Verifier(ring.with_retired("b2"), size_classes).verify(url, now)


def test_a_restricted_key_reveals_no_other_key(ring):
    """It is a MAC, and two restrictions have two."""
    read_key = derived_key(ring, "a", Purpose.READ)
    keys = [key_of(ring, restriction_of(classes, 1)).secret for classes in (["web"], ["large"], [])]
    assert len({*keys, read_key}) == 4
    assert {len(key) for key in keys} == {24}
    assert "secret" not in repr(key_of(ring, WEB))


def test_no_restriction_is_the_key_itself(ring):
    """It has the plain id, and signs the same URLs."""
    key = key_of(ring, Restriction())
    assert key == DerivedKey("a", derived_key(ring, "a", Purpose.READ))


def restricted_keys(ring):
    """Return the content of a key file with a restricted key only."""
    key = key_of(ring, restriction_of(["web"], 168))
    restricted = Key(key_id=key.key_id, secret=key.secret, state=KeyState.SIGNING)
    return Keys({Purpose.READ: KeyRing(keys=(restricted,))})


def test_a_key_file_can_have_a_restricted_key(ring, verifier, path, now):
    """An application signs with it as with any other key file."""
    keys = parse_keys(render_keys(restricted_keys(ring)))
    assert keys == restricted_keys(ring)
    signer = ReadSigner(keys)
    assert signer.restriction == restriction_of(["web"], 168)
    url = signer.url(path, size_class="web", expiry_seconds=now + HOUR_SECONDS)
    assert verifier.verify(url, now).path == path


def test_no_service_verifies_with_a_restricted_key(ring, size_classes, path, now):
    """A service needs the key that the others derive from."""
    keys = restricted_keys(ring)
    with pytest.raises(InvalidKeys, match="is restricted"):
        Verifier(keys, size_classes).verify(ReadSigner(keys).url(path, size_class="web"), now)


@pytest.mark.parametrize("text", ["token.a-w", "read.a-lw", "read.a-w0", "read.a-"])
def test_a_key_file_with_another_restricted_key_is_refused(ring, text):
    """Only a key for URLs can be restricted, in its one spelling."""
    rendered = render_keys(restricted_keys(ring)).replace("read.a-w168", text)
    with pytest.raises(InvalidKeys):
        parse_keys(rendered)


def test_the_secret_of_a_restricted_key_has_its_own_length(ring):
    """A whole secret under the id of a restricted key would sign nothing that is accepted."""
    with pytest.raises(InvalidKeys, match="32 bytes, not 24"):
        Key(key_id="a-w", secret=ring.signing_key.secret, state=KeyState.SIGNING)
