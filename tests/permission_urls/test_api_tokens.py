"""API tokens: scopes, expiry, and errors."""

import pytest

from permission_urls import (
    BadTokenSignature,
    Forbidden,
    InvalidToken,
    MalformedToken,
    Scope,
    Token,
    TokenExpired,
    TokenVerifier,
    Unsignable,
    WrongScope,
    sign_token,
)

PRINTABLE = [chr(code) for code in range(0x20, 0x7F)]


def test_a_token_says_what_it_was_signed_for(ring, now):
    """Scopes, expiry, and key are the signed ones."""
    text = sign_token(ring, [Scope.UPLOAD, Scope.DELETE], expiry_seconds=now + 10)
    assert text.startswith(f"gp1.a.delete+upload.{now + 10:x}.")
    assert TokenVerifier(ring).verify(text, scope_needed=Scope.UPLOAD, now_seconds=now) == Token(
        key_id="a", scopes=frozenset({Scope.UPLOAD, Scope.DELETE}), expiry=now + 10
    )


def test_a_token_is_the_same_in_whatever_order_its_scopes_come(ring):
    """Scopes are sorted, and each appears once."""
    assert sign_token(ring, ["read", "upload", "read"]) == sign_token(ring, ["upload", "read"])


@pytest.mark.parametrize("scope_needed", list(Scope))
@pytest.mark.parametrize("scope", list(Scope))
def test_no_scope_opens_another(ring, now, scope, scope_needed):
    """A wrong scope gives 403 and the required scope, also for `admin`."""
    text = sign_token(ring, [scope])
    if scope is scope_needed:
        assert scope in TokenVerifier(ring).verify(text, scope_needed=scope, now_seconds=now).scopes
        return
    with pytest.raises(WrongScope) as caught:
        TokenVerifier(ring).verify(text, scope_needed=scope_needed, now_seconds=now)
    assert caught.value.scope_needed == scope_needed
    assert isinstance(caught.value, Forbidden)
    assert not isinstance(caught.value, InvalidToken)


@pytest.mark.parametrize("left_seconds", [-86_400, -1, 0])
def test_an_expired_token_is_refused_before_its_scope_is_looked_at(ring, now, left_seconds):
    """401 takes precedence over 403."""
    text = sign_token(ring, ["read"], expiry_seconds=now + left_seconds)
    with pytest.raises(TokenExpired):
        TokenVerifier(ring).verify(text, scope_needed=Scope.ADMIN, now_seconds=now)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [("gp1.a.", "gp1.b2.", "bad mac"), ("gp1.a.", "gp1.old.", "retired key"),
     ("gp1.a.", "gp1.x.", "unknown key"), (".read.", ".admin+read.", "bad mac"),
     (".read.", ".upload.", "bad mac"), (".0.", ".ffffffff.", "bad mac")],
)  # fmt: skip
def test_a_changed_token_is_refused_with_its_reason(ring, now, old, new, reason):
    """The MAC covers scopes, expiry, and key id."""
    text = sign_token(ring, ["read"]).replace(old, new)
    with pytest.raises(BadTokenSignature) as caught:
        TokenVerifier(ring).verify(text, scope_needed=Scope.READ, now_seconds=now)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "scopes", ["", "+", "read+", "+read", "read+read", "upload+read", "write", "READ", "a" * 65]
)
def test_scopes_in_another_spelling_are_malformed(ring, now, scopes):
    """A set of scopes has one spelling."""
    text = sign_token(ring, ["read"]).replace(".read.", f".{scopes}.")
    with pytest.raises(MalformedToken):
        TokenVerifier(ring).verify(text, scope_needed=Scope.READ, now_seconds=now)


@pytest.mark.parametrize("text", ["", "gp1", "gp1....", "gp2.a.read.0." + "A" * 24, "é" * 40])
def test_text_that_is_no_token_is_malformed(ring, now, text):
    """A missing header is an empty text, and also gives 401."""
    with pytest.raises(MalformedToken):
        TokenVerifier(ring).verify(text, scope_needed=Scope.READ, now_seconds=now)


def test_a_token_has_one_spelling(ring, now):
    """A change of any single character is rejected."""
    text = sign_token(ring, ["read", "upload"], expiry_seconds=now + 99)
    for at in range(len(text) + 1):
        changes = {text[:at] + c + text[at + 1 :] for c in [*PRINTABLE, "\n", "é", ""]}
        changes |= {text[:at] + c + text[at:] for c in [*PRINTABLE, "\n", "é"]}
        for changed in changes - {text}:
            with pytest.raises(InvalidToken):
                TokenVerifier(ring).verify(changed, scope_needed=Scope.READ, now_seconds=now)


@pytest.mark.parametrize("scopes", [[], ["write"], ["read", ""], "upload", ["upload+read"]])
def test_a_token_for_no_or_unknown_scopes_is_not_signed(ring, scopes):
    """The set of scopes is closed."""
    with pytest.raises(Unsignable):
        sign_token(ring, scopes)
