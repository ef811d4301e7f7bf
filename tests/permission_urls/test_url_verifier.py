"""The verifier accepts exactly the signed URLs, and reports the reason of a rejection."""

import pytest

from permission_urls import (
    BadMac,
    Expired,
    Forbidden,
    Key,
    KeyRing,
    KeyState,
    MalformedUrl,
    NoPermission,
    PermissionUrlError,
    Purpose,
    ReadSigner,
    RetiredKey,
    UnknownKey,
    UnknownSize,
    Verifier,
    derived_keys,
    parse_permission_url,
    render_permission_url,
)

PRINTABLE = [chr(code) for code in range(0x21, 0x7F)]


@pytest.fixture(name="verifier")
def _verifier(ring, size_classes):
    return Verifier(ring, size_classes)


@pytest.fixture(name="url")
def _url(ring, path):
    return ReadSigner(ring).url(path, size_class="web")


def test_derived_keys_are_enough_to_verify(ring, size_classes, url, path, now):
    """A node that only reads needs no secret."""
    verifier = Verifier(derived_keys(ring, Purpose.READ), size_classes)
    assert verifier.verify(url, now).path == path
    with pytest.raises(UnknownKey):
        verifier.verify(url.replace(".a.", ".old."), now)


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        (("_m.", "_x."), UnknownSize, "unknown size"),
        (("_m.", "_o."), BadMac, "bad mac"),
        ((".a.", ".c."), UnknownKey, "unknown key"),
        ((".a.", ".old."), RetiredKey, "retired key"),
        ((".a.", ".b2."), BadMac, "bad mac"),
        ((".0.", ".1."), BadMac, "bad mac"),
        ((".a.0.", "."), NoPermission, "missing or malformed permission"),
    ],
)
def test_every_refusal_has_its_reason(verifier, url, now, change, error, reason):
    """The error has the reason for logs, and its class the status."""
    with pytest.raises(error) as caught:
        verifier.verify(url.replace(*change), now)
    assert isinstance(caught.value, Forbidden)
    assert caught.value.reason == str(caught.value) == reason


def test_malformed_is_not_forbidden(verifier, url, now):
    """400 and 403 are different classes with one base class."""
    with pytest.raises(MalformedUrl) as caught:
        verifier.verify(url + "?", now)
    assert not isinstance(caught.value, Forbidden)
    assert isinstance(caught.value, PermissionUrlError)


@pytest.mark.parametrize("left_seconds", [-86_400, -600, -1, 0])
def test_an_expired_url_is_refused(ring, verifier, path, now, left_seconds):
    """A URL is rejected from the second of its expiry on."""
    url = ReadSigner(ring).url(path, size_class="web", expiry_seconds=now + left_seconds)
    with pytest.raises(Expired):
        verifier.verify(url, now)


def test_a_forged_url_is_never_called_expired(verifier, url, now):
    """The MAC is checked before the expiry."""
    with pytest.raises(BadMac):
        verifier.verify(url.replace(".0.", ".1."), now)


def test_every_single_character_change_is_refused_or_another_files_one_url(
    ring, verifier, url, size_classes, now
):
    """A changed URL is rejected, or it is the signed URL of another file of the same class."""
    signer = ReadSigner(ring)
    opened = set()
    for at in range(len(url)):
        changes = [url[:at] + character + url[at + 1 :] for character in PRINTABLE]
        changes += [url[:at] + character + url[at:] for character in PRINTABLE]
        changes.append(url[:at] + url[at + 1 :])
        for changed in set(changes) - {url}:
            try:
                permitted = verifier.verify(changed, now)
            except (MalformedUrl, Forbidden):
                continue
            again = signer.url(permitted.path, size_class=size_classes[permitted.size])
            assert again == changed
            opened.add(permitted.path)
    assert opened == {
        f"42/k7/01jd3x8m2c9qp4k7_3fz8qd_{size}.jpg"
        for size, size_class in size_classes.items()
        if size_class == "web" and size != "m"
    }


def test_an_accepted_url_is_equal_to_its_rendered_form(verifier, url, now):
    """An accepted URL is equal to its rendered form, so normalization is unnecessary."""
    assert render_permission_url(verifier.verify(url, now)) == url
    assert render_permission_url(parse_permission_url(url.encode())) == url


@pytest.mark.parametrize("size", ["m", "k", "o"])
@pytest.mark.parametrize("other", ["m", "k", "o"])
def test_a_class_opens_itself_only(ring, verifier, size_classes, stem, now, size, other):
    """A URL of a thumbnail does not open the original, and vice versa."""
    url = ReadSigner(ring).url(f"{stem}_{size}.jpg", size_class=size_classes[size])
    moved = url.replace(f"_{size}.", f"_{other}.")
    if size == other:
        assert verifier.verify(moved, now).size == other
    else:
        with pytest.raises(BadMac):
            verifier.verify(moved, now)


def test_another_ring_opens_nothing(verifier, path, now):
    """The same key id with another secret is rejected."""
    other = KeyRing(keys=(Key(key_id="a", secret=bytes(range(100, 132)), state=KeyState.SIGNING),))
    with pytest.raises(BadMac):
        verifier.verify(ReadSigner(other).url(path, size_class="web"), now)


def test_a_cached_url_expires(ring, verifier, path, now):
    """The cache stores that the MAC is valid, but the expiry is checked each time."""
    url = ReadSigner(ring).url(path, size_class="web", expiry_seconds=int(now) + 10)
    for _ in range(2):
        assert verifier.verify(url, now).path == path
    for _ in range(2):
        with pytest.raises(Expired):
            verifier.verify(url, now + 10)
    assert verifier.verify(url, now).path == path
