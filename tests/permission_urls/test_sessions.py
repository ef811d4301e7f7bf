"""Sessions of the console, and links: what they prove, and until when."""

import os
from dataclasses import replace

import pytest

from permission_urls import (
    LINK_SECONDS,
    SESSION_SECONDS,
    Purpose,
    Scope,
    SessionSigner,
    Token,
    VolumeRange,
    generate_key,
    generate_keys,
    sign_token,
)
from permission_urls.errors import InvalidToken

NOW = 1_700_000_000
TOKEN = Token(
    id="k3v9q2mf",
    application="shop",
    scopes=frozenset({Scope.READ, Scope.DELETE}),
    expiry=NOW + 30 * 86_400,
    volumes=(VolumeRange(1, 8),),
)


@pytest.fixture(name="keys", scope="module")
def _keys():
    return generate_keys(os.urandom)


def signer(keys, at=NOW):
    """Return a signer whose clock stands at one second."""
    return SessionSigner(keys, now_seconds=lambda: at)


def test_a_session_has_what_its_token_permits(keys):
    """Application, scopes, volumes, and the secret of its pages come back as they were."""
    session = signer(keys).verify_session(signer(keys).sign_session(TOKEN, "secret"))
    assert (session.token, session.csrf, session.begun_seconds) == (TOKEN, "secret", NOW)


def test_a_session_ends_after_its_time_or_with_its_token(keys):
    """The earlier of both ends it."""
    text = signer(keys).sign_session(TOKEN, "")
    assert signer(keys, NOW + SESSION_SECONDS).verify_session(text).ends_seconds == (
        NOW + SESSION_SECONDS
    )
    with pytest.raises(InvalidToken):
        signer(keys, NOW + SESSION_SECONDS + 1).verify_session(text)
    soon = signer(keys).sign_session(replace(TOKEN, expiry=NOW + 60), "")
    assert signer(keys, NOW + 59).verify_session(soon).ends_seconds == NOW + 60
    with pytest.raises(InvalidToken):
        signer(keys, NOW + 60).verify_session(soon)


def test_a_link_has_every_scope_and_ends_within_minutes(keys):
    """It names its storagemaster, and the id that a revocation of its sessions names."""
    text = signer(keys).sign_link("k3v9q2mf", master="east-master")
    link = signer(keys, NOW + LINK_SECONDS).verify_link(text)
    assert (link.token.id, link.master, link.made_seconds) == ("k3v9q2mf", "east-master", NOW)
    assert link.token.scopes == frozenset(Scope)
    assert link.token.expiry == NOW + SESSION_SECONDS
    with pytest.raises(InvalidToken):
        signer(keys, NOW + LINK_SECONDS + 1).verify_link(text)


def test_no_text_passes_for_another(keys):
    """A session, a link, and a token are valid as what they are only."""
    session = signer(keys).sign_session(TOKEN, "")
    link = signer(keys).sign_link("k3v9q2mf", master="m")
    for text in (link, sign_token(keys, TOKEN), session[:-1], "", "e.é", "." * 3000):
        with pytest.raises(InvalidToken):
            signer(keys).verify_session(text)
    for text in (session, sign_token(keys, TOKEN), link + "A"):
        with pytest.raises(InvalidToken):
            signer(keys).verify_link(text)


def test_sessions_survive_a_rotation_until_their_key_is_retired(keys):
    """The signing key signs, and accepted keys verify."""
    old = signer(keys).sign_session(TOKEN, "")
    ring = keys.ring(Purpose.CONSOLE)
    rotated = ring.with_new_signing_key(generate_key("b", os.urandom))
    new_keys = keys.with_ring(Purpose.CONSOLE, rotated)
    assert signer(new_keys).verify_session(old).token == TOKEN
    new = signer(new_keys).sign_session(TOKEN, "")
    with pytest.raises(InvalidToken):
        signer(keys).verify_session(new)
    retired = keys.with_ring(Purpose.CONSOLE, rotated.with_retired("a"))
    assert signer(retired).verify_session(new).token == TOKEN
    with pytest.raises(InvalidToken):
        signer(retired).verify_session(old)
