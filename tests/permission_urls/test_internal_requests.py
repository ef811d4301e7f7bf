"""A signed request is valid only for its receiver, method, path, digest, and time."""

import hashlib
from functools import partial

import pytest

from permission_urls import (
    DIGEST_IN_TRAILER,
    BadMac,
    Expired,
    Forbidden,
    InternalSigner,
    InternalVerifier,
    NoPermission,
    RetiredKey,
    TooFarAhead,
    UnknownKey,
    Unsignable,
)

DIGEST = hashlib.sha256(b"photo").hexdigest()
PATH = "/42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg"


@pytest.fixture(name="request_facts")
def _request_facts():
    return {"method": "PUT", "path": PATH, "digest": DIGEST}


@pytest.fixture(name="signer")
def _signer(ring):
    return partial(InternalSigner(ring).sign_request, receiver="east-1")


@pytest.fixture(name="header")
def _header(signer, now, request_facts):
    return signer(**request_facts, expiry_seconds=now + 60)


@pytest.fixture(name="verifier")
def _verifier(ring):
    return InternalVerifier(ring, receiver="east-1")


def test_a_signed_request_is_accepted(verifier, header, request_facts, now):
    """The verifier returns the key id."""
    assert verifier.verify_request(header, **request_facts, now_seconds=now) == "a"


@pytest.mark.parametrize(
    ("fact", "value"),
    [("method", "DELETE"), ("path", PATH + "?x=1"), ("path", "/43" + PATH[3:]), ("path", "/"),
     ("digest", DIGEST_IN_TRAILER), ("digest", hashlib.sha256(b"other").hexdigest())],
)  # fmt: skip
def test_a_signature_is_for_one_request(verifier, header, request_facts, now, fact, value):
    """Changing method, path, or digest invalidates the signature."""
    with pytest.raises(BadMac):
        verifier.verify_request(header, **(request_facts | {fact: value}), now_seconds=now)


@pytest.mark.parametrize("receiver", ["east-2", "east-", "east-1\nPUT", ""])
def test_a_signature_is_for_one_receiver(ring, header, request_facts, now, receiver):
    """A captured request that is sent to another node is refused."""
    with pytest.raises(Forbidden):
        InternalVerifier(ring, receiver=receiver).verify_request(
            header, **request_facts, now_seconds=now
        )


def test_a_streamed_put_opens_and_closes_with_two_signatures(signer, verifier, request_facts, now):
    """The two signatures are not interchangeable, so a stolen opening commits nothing."""
    opening = request_facts | {"digest": DIGEST_IN_TRAILER}
    first = signer(**opening, expiry_seconds=now + 60)
    last = signer(**request_facts, expiry_seconds=now + 60)
    verifier.verify_request(first, **opening, now_seconds=now)
    verifier.verify_request(last, **request_facts, now_seconds=now)
    with pytest.raises(BadMac):
        verifier.verify_request(first, **request_facts, now_seconds=now)
    with pytest.raises(BadMac):
        verifier.verify_request(last, **opening, now_seconds=now)


@pytest.mark.parametrize("skew_seconds", [-540, -60, 0, 59, 60, 61, 600])
def test_a_request_ends_at_its_expiry(verifier, header, request_facts, now, skew_seconds):
    """A slow clock accepts longer, and a fast clock rejects earlier."""
    if skew_seconds < 60:
        verifier.verify_request(header, **request_facts, now_seconds=now + skew_seconds)
        return
    with pytest.raises(Expired):
        verifier.verify_request(header, **request_facts, now_seconds=now + skew_seconds)


@pytest.mark.parametrize(("ahead_seconds", "is_accepted"), [(600, True), (601, False)])
def test_an_expiry_is_at_most_a_lifetime_and_a_clock_skew_away(
    signer, verifier, request_facts, now, ahead_seconds, is_accepted
):
    """A header that is valid for years could be used for years."""
    header = signer(**request_facts, expiry_seconds=now + ahead_seconds)
    if is_accepted:
        verifier.verify_request(header, **request_facts, now_seconds=now)
        return
    with pytest.raises(TooFarAhead):
        verifier.verify_request(header, **request_facts, now_seconds=now)


@pytest.mark.parametrize(
    ("key_id", "error"), [("b2", BadMac), ("old", RetiredKey), ("x", UnknownKey)]
)
def test_the_key_id_selects_one_key(verifier, header, request_facts, now, key_id, error):
    """The id of another key gives BadMac."""
    with pytest.raises(error):
        verifier.verify_request(f"{key_id}{header[1:]}", **request_facts, now_seconds=now)


@pytest.mark.parametrize(
    "change",
    [str.upper, lambda h: h[:0], lambda h: h + "\n", lambda h: h + "=", lambda h: h[:-1],
     lambda h: " " + h, lambda h: h + "é", lambda h: h.replace(".", ".0", 1)],
)  # fmt: skip
def test_a_malformed_header_is_rejected(verifier, header, request_facts, now, change):
    """A missing header is an empty text."""
    with pytest.raises(NoPermission):
        verifier.verify_request(change(header), **request_facts, now_seconds=now)


@pytest.mark.parametrize(
    ("fact", "value"),
    [("receiver", ""), ("receiver", "east-1\nPUT"), ("receiver", "x" * 65),
     ("method", "put"), ("method", ""), ("method", "PUT\nX"), ("path", "42"), ("path", "/a\nb"),
     ("path", "/a b"), ("path", "/é"), ("path", ""), ("digest", ""), ("digest", DIGEST.upper()),
     ("digest", DIGEST + "\n"), ("digest", DIGEST[:-1]), ("digest", "--")],
)  # fmt: skip
def test_an_ambiguous_request_is_neither_signed_nor_accepted(
    ring, header, request_facts, now, fact, value
):
    """A newline in a field could move the boundary between fields."""
    ambiguous = request_facts | {"receiver": "east-1", fact: value}
    with pytest.raises(Unsignable):
        InternalSigner(ring).sign_request(**ambiguous, expiry_seconds=now + 60)
    verifier = InternalVerifier(ring, receiver=ambiguous.pop("receiver"))
    with pytest.raises(NoPermission):
        verifier.verify_request(header, **ambiguous, now_seconds=now)


def test_a_request_without_expiry_is_not_signed(signer, request_facts):
    """A stolen header must expire."""
    with pytest.raises(Unsignable, match="must expire"):
        signer(**request_facts, expiry_seconds=0)
