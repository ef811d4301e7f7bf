"""A signature for one purpose is invalid for every other purpose."""

import dataclasses
import itertools

import pytest

from permission_urls import (
    Forbidden,
    InternalSigner,
    InternalVerifier,
    PermissionUrlError,
    Purpose,
    ReadSigner,
    Scope,
    TokenVerifier,
    Verifier,
    derived_key,
    mac,
    sign_job,
    sign_token,
    verify_job,
)

KINDS = ("url", "token", "internal", "job")
FIELDS = {"volume": "42"}


@pytest.fixture(name="signed")
def _signed(ring, path, token, now):
    return {
        "url": ReadSigner(ring).url(path, size_class="web", expiry_seconds=now + 60),
        "token": sign_token(ring, dataclasses.replace(token, expiry=now + 60)),
        "internal": InternalSigner(ring).sign_request(
            receiver="east-1", method="GET", path=f"/{path}", digest="-", expiry_seconds=now + 60
        ),
        "job": sign_job(ring, FIELDS),
    }


@pytest.fixture(name="verify")
def _verify(ring, path, size_classes, now):
    return {
        "url": lambda text: Verifier(ring, size_classes).verify(text, now),
        "token": lambda text: TokenVerifier(ring).verify(
            text, scope_needed=Scope.READ, now_seconds=now
        ),
        "internal": lambda text: InternalVerifier(ring, receiver="east-1").verify_request(
            text, method="GET", path=f"/{path}", digest="-", now_seconds=now
        ),
        "job": lambda text: verify_job(ring, text, FIELDS),
    }


@pytest.mark.parametrize(("kind", "verifier"), list(itertools.product(KINDS, KINDS)))
def test_every_kind_opens_its_own_verifier_only(signed, verify, kind, verifier):
    """The text of each kind is rejected by the verifiers of the others."""
    if kind == verifier:
        assert verify[verifier](signed[kind])
        return
    with pytest.raises(PermissionUrlError):
        verify[verifier](signed[kind])


@pytest.mark.parametrize(("kind", "verifier"), list(itertools.permutations(KINDS, 2)))
def test_no_mac_can_be_moved_to_another_kind(signed, verify, kind, verifier):
    """The MAC of each kind is rejected in a text of every other kind."""
    moved = signed[verifier].replace(mac_of(signed[verifier]), mac_of(signed[kind]))
    with pytest.raises(PermissionUrlError):
        verify[verifier](moved)


@pytest.mark.parametrize("purpose", [p for p in Purpose if p is not Purpose.READ])
def test_the_right_bytes_signed_for_another_purpose_open_no_url(
    ring, verify, stem, signed, purpose
):
    """A signer for another purpose cannot sign reads, whatever its input is."""
    expiry_text = signed["url"].split(".")[2]
    message = f"{expiry_text}/{stem}/web".encode()
    forged = mac(derived_key(ring, "a", purpose), message)
    with pytest.raises(Forbidden):
        verify["url"](signed["url"].replace(mac_of(signed["url"]), forged))
    genuine = mac(derived_key(ring, "a", Purpose.READ), message)
    assert mac_of(signed["url"]) == genuine


def mac_of(text: str) -> str:
    """Return the MAC in a signed text of any kind: the part with 24 characters."""
    return next(chunk for chunk in reversed(text.split(".")) if len(chunk) == 24)
