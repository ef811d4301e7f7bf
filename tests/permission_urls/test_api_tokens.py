"""API tokens: claims, scopes, expiry, revocation, and errors."""

import base64
import dataclasses
import json
import random
from types import SimpleNamespace

import pytest

from permission_urls import (
    BadTokenSignature,
    Forbidden,
    InvalidToken,
    MalformedToken,
    Purpose,
    Scope,
    Token,
    TokenExpired,
    TokenLimits,
    TokenRevoked,
    TokenVerifier,
    Unsignable,
    VolumeRange,
    WrongScope,
    generate_key,
    generate_token_id,
    is_token_id,
    sign_token,
)
from permission_urls.signed_claims import ClaimsKind, sign_claims
from permission_urls.tokens import (
    TOKEN_KIND,
    VOLUME_RANGES_MAX,
    common_ranges,
    is_in_ranges,
    parse_scopes,
)

PRINTABLE = [chr(code) for code in range(0x20, 0x7F)]
PLAIN = Token(id="k3v9q2mf", application="shop", scopes=frozenset({Scope.READ}), expiry=0)
LIMITED = Token(
    id="0z0z0z0z",
    application="holiday-prints",
    scopes=frozenset({Scope.UPLOAD, Scope.DELETE}),
    expiry=1_893_456_000,
    volumes=(VolumeRange(1, 8), VolumeRange(12, 12)),
    limits=TokenLimits(uploads_per_minute=60, bytes_per_day=10**12),
)


def verify(ring, text, scope=Scope.READ, *, now, **options):
    """Verify a token with the keys of a ring."""
    return TokenVerifier(ring, **options).verify(text, scope_needed=scope, now_seconds=now)


@pytest.mark.parametrize("token", [PLAIN, LIMITED])
def test_a_verified_token_is_the_signed_one(ring, now, token):
    """Id, application, scopes, expiry, volumes, and limits come back."""
    scope = min(token.scopes)
    assert verify(ring, sign_token(ring, token), scope, now=now) == token


def test_the_claims_of_a_token_are_readable_json(ring):
    """Support can see which token it is, without a key."""
    prefix, key, claims, _ = sign_token(ring, LIMITED).split(".")
    assert (prefix, key) == ("gp2", "a")
    assert json.loads(base64.urlsafe_b64decode(claims + "==")) == {
        "id": "0z0z0z0z",
        "application": "holiday-prints",
        "scopes": ["delete", "upload"],
        "expiry": 1_893_456_000,
        "volumes": [[1, 8], [12, 12]],
        "uploads_per_minute": 60,
        "bytes_per_day": 10**12,
    }


def test_a_token_is_valid_where_no_scope_is_needed(ring, now):
    """A storagemaster signs in any token to the console."""
    assert verify(ring, sign_token(ring, PLAIN), None, now=now) == PLAIN


@pytest.mark.parametrize("scope_needed", list(Scope))
@pytest.mark.parametrize("scope", list(Scope))
def test_no_scope_opens_another(ring, now, scope, scope_needed):
    """A wrong scope gives 403 and the required scope, also for `admin`."""
    text = sign_token(ring, dataclasses.replace(PLAIN, scopes=frozenset({scope})))
    if scope is scope_needed:
        assert scope in verify(ring, text, scope, now=now).scopes
        return
    with pytest.raises(WrongScope) as caught:
        verify(ring, text, scope_needed, now=now)
    assert caught.value.scope_needed == scope_needed
    assert isinstance(caught.value, Forbidden)
    assert not isinstance(caught.value, InvalidToken)


@pytest.mark.parametrize("left_seconds", [-86_400, -1, 0])
def test_an_expired_token_is_refused_before_its_scope_is_looked_at(ring, now, left_seconds):
    """401 takes precedence over 403."""
    text = sign_token(ring, dataclasses.replace(PLAIN, expiry=now + left_seconds))
    with pytest.raises(TokenExpired):
        verify(ring, text, Scope.ADMIN, now=now)


def test_a_revoked_token_is_refused_and_no_other(ring, now):
    """A revocation names one id. The error has the id, and nothing that opens anything."""
    revoked, other = (
        sign_token(ring, dataclasses.replace(PLAIN, id=id_)) for id_ in ("k3v9q2mf", "k3v9q2mg")
    )
    with pytest.raises(TokenRevoked, match="k3v9q2mf"):
        verify(ring, revoked, now=now, is_revoked={"k3v9q2mf"}.__contains__)
    assert verify(ring, other, now=now, is_revoked={"k3v9q2mf"}.__contains__)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [("gp2.a.", "gp2.b2.", "bad mac"), ("gp2.a.", "gp2.old.", "retired key"),
     ("gp2.a.", "gp2.x.", "unknown key")],
)  # fmt: skip
def test_a_token_of_another_key_is_refused_with_its_reason(ring, now, old, new, reason):
    """The MAC covers the key id."""
    text = sign_token(ring, PLAIN).replace(old, new)
    with pytest.raises(BadTokenSignature) as caught:
        verify(ring, text, now=now)
    assert caught.value.reason == reason


@pytest.mark.parametrize("claim", ["id", "application", "scopes", "expiry", "volumes"])
def test_changed_claims_are_refused(ring, now, claim):
    """A holder of a token cannot give itself more."""
    prefix, key, claims, mac = sign_token(ring, LIMITED).split(".")
    document = json.loads(base64.urlsafe_b64decode(claims + "=="))
    document[claim] = {"id": "1z0z0z0z", "application": "shop", "scopes": list(Scope), "expiry": 0,
                       "volumes": [[1, 65535]]}[claim]  # fmt: skip
    changed = base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")
    with pytest.raises(BadTokenSignature):
        verify(ring, f"{prefix}.{key}.{changed}.{mac}", Scope.DELETE, now=now)


CLAIMS = {"id": "k3v9q2mf", "application": "shop", "scopes": ["read"], "expiry": 0}
INVALID_CLAIMS = {
    "a claim of a newer version": {**CLAIMS, "networks": ["10.0.0.0/8"]},
    "no expiry": {name: CLAIMS[name] for name in ("id", "application", "scopes")},
    "no id": {name: CLAIMS[name] for name in ("application", "scopes", "expiry")},
    "a negative expiry": {**CLAIMS, "expiry": -1},
    "an expiry in words": {**CLAIMS, "expiry": "never"},
    "an expiry that is true": {**CLAIMS, "expiry": True},
    "an expiry with a fraction": {**CLAIMS, "expiry": 1.5},
    "no scope": {**CLAIMS, "scopes": []},
    "an unknown scope": {**CLAIMS, "scopes": ["read", "everything"]},
    "no volume": {**CLAIMS, "volumes": []},
    "volumes in reverse": {**CLAIMS, "volumes": [[8, 1]]},
    "an unknown volume": {**CLAIMS, "volumes": [[1, 65536]]},
    "a volume alone": {**CLAIMS, "volumes": [1]},
    "a limit of nothing": {**CLAIMS, "uploads_per_minute": 0},
    "another id": {**CLAIMS, "id": "K3V9Q2MF"},
    "another application": {**CLAIMS, "application": "Shop"},
}


@pytest.mark.parametrize("name", INVALID_CLAIMS)
def test_a_token_with_invalid_claims_is_malformed(ring, now, name):
    """Also if its signature is valid: an unknown claim can be a restriction."""
    text = sign_claims(ring, TOKEN_KIND, INVALID_CLAIMS[name])
    with pytest.raises(MalformedToken):
        verify(ring, text, now=now)


@pytest.mark.parametrize("purpose", [each for each in Purpose if each is not Purpose.TOKEN])
def test_claims_of_another_purpose_are_no_token(ring, now, purpose):
    """A key for one purpose signs nothing for another, even under the prefix of a token."""
    text = sign_claims(ring, ClaimsKind(prefix="gp2", purpose=purpose), CLAIMS)
    with pytest.raises(BadTokenSignature):
        verify(ring, text, now=now)


def test_claims_with_another_prefix_are_no_token(ring, now):
    """The prefix names the kind of claims, which other kinds with the same key would not have."""
    text = sign_claims(ring, ClaimsKind(prefix="gp3", purpose=Purpose.TOKEN), CLAIMS)
    with pytest.raises(MalformedToken):
        verify(ring, text, now=now)


@pytest.mark.parametrize("text", ["", "gp2", "gp2...", "gp1.a.read.0." + "A" * 24, "é" * 40])
def test_text_that_is_no_token_is_malformed(ring, now, text):
    """A missing header is an empty text, and also gives 401."""
    with pytest.raises(MalformedToken):
        verify(ring, text, now=now)


def test_a_long_text_is_refused_before_its_signature(ring, now):
    """No client can make a storagemaster hash megabytes."""
    with pytest.raises(MalformedToken):
        verify(ring, f"gp2.a.{'x' * 3000}.{'A' * 24}", now=now)
    with pytest.raises(Unsignable, match="characters"):
        sign_claims(ring, TOKEN_KIND, {**CLAIMS, "more": "x" * 3000})


def test_a_token_has_one_spelling(ring, now):
    """A change of any single character is rejected."""
    text = sign_token(ring, PLAIN)
    verifier = TokenVerifier(ring)
    for at in range(len(text) + 1):
        changes = {text[:at] + c + text[at + 1 :] for c in [*PRINTABLE, "\n", "é", ""]}
        changes |= {text[:at] + c + text[at:] for c in [*PRINTABLE, "\n", "é"]}
        for changed in changes - {text}:
            with pytest.raises(InvalidToken):
                verifier.verify(changed, scope_needed=Scope.READ, now_seconds=now)


def test_a_remembered_token_is_refused_without_its_key_or_after_its_end(ring, now):
    """A verifier remembers only that a key signed the token."""
    token = dataclasses.replace(PLAIN, expiry=now + 60)
    text = sign_token(ring, token)
    rings, revoked = [ring], set()
    verifier = TokenVerifier(
        SimpleNamespace(ring=lambda _: rings[-1]), is_revoked=revoked.__contains__
    )

    def verify(scope=Scope.READ, now=now):
        return verifier.verify(text, scope_needed=scope, now_seconds=now)

    assert verify() == verify() == token
    with pytest.raises(WrongScope):
        verify(Scope.ADMIN)
    with pytest.raises(TokenExpired):
        verify(now=now + 61)
    revoked.add(token.id)
    with pytest.raises(TokenRevoked):
        verify()
    revoked.clear()
    rotated = ring.with_accepted_key(generate_key("b", random.Random(2).randbytes))
    rings.append(rotated)
    assert verify() == token
    rings.append(rotated.with_signing_key("b").with_retired("a"))
    with pytest.raises(BadTokenSignature, match="retired key"):
        verify()


@pytest.mark.parametrize(
    "changes",
    [{"scopes": frozenset()}, {"id": "short"}, {"application": ""}, {"application": "a b"},
     {"expiry": -1}, {"expiry": 16**10}, {"volumes": ()}, {"volumes": (VolumeRange(0, 1),)},
     {"limits": TokenLimits(bytes_per_day=0)}],
)  # fmt: skip
def test_an_invalid_token_cannot_be_made(changes):
    """The value itself refuses, so that no token that verifiers refuse is given out."""
    with pytest.raises(Unsignable):
        dataclasses.replace(PLAIN, **changes)


def test_ids_of_tokens_are_random_and_well_formed():
    """All 40 bits of the random source are in the id."""
    assert generate_token_id(lambda count: b"\0" * count) == "00000000"
    assert generate_token_id(lambda count: b"\xff" * count) == "zzzzzzzz"
    ids = {generate_token_id(lambda _, n=n: (1 << n).to_bytes(5, "big")) for n in range(40)}
    assert len(ids) == 40
    assert all(map(is_token_id, ids))


ONE, FEW = (VolumeRange(3, 5),), (VolumeRange(1, 2), VolumeRange(5, 8), VolumeRange(12, 12))
RANGES = (None, (), ONE, FEW, (VolumeRange(5, 12),), (VolumeRange(9, 11),))


def volumes_in(ranges):
    """Return the volumes up to 14 in ranges."""
    return {volume for volume in range(1, 15) if is_in_ranges(volume, ranges)}


def test_a_range_has_its_first_and_last_volume():
    """No range has none, and None is all volumes."""
    assert volumes_in(ONE) == {3, 4, 5}
    assert volumes_in(FEW) == {1, 2, 5, 6, 7, 8, 12}
    assert volumes_in(()) == set()
    assert volumes_in(None) == set(range(1, 15))


@pytest.mark.parametrize("one", RANGES)
@pytest.mark.parametrize("other", RANGES)
def test_common_ranges_have_the_volumes_that_both_have(one, other):
    """They can be none, which is not the same as all."""
    assert volumes_in(common_ranges(one, other)) == volumes_in(one) & volumes_in(other)
    assert (common_ranges(one, other) is None) == (one is None and other is None)


@pytest.mark.parametrize(
    "changes",
    [
        {"volumes": ONE},
        {"volumes": FEW},
        {"volumes": ONE * VOLUME_RANGES_MAX},
        {"volumes": (VolumeRange(1, 65535),)},
        {"limits": TokenLimits(uploads_per_minute=1, bytes_per_day=1)},
    ],
)
def test_a_token_can_have_the_narrowest_and_the_widest_limits(changes):
    """The bounds are included."""
    assert dataclasses.replace(PLAIN, **changes).application == "shop"


@pytest.mark.parametrize(
    "volumes",
    [
        ONE * 65,
        (*ONE, VolumeRange(0, 1)),
        (VolumeRange(0, 1), *ONE),
        (*ONE, VolumeRange(6, 5)),
        (VolumeRange(6, 5), *ONE),
        (*ONE, VolumeRange(1, 65536)),
    ],
)
def test_every_range_of_a_token_is_checked(volumes):
    """One invalid range among valid ones makes the token invalid."""
    assert VOLUME_RANGES_MAX == 64
    with pytest.raises(Unsignable, match="invalid volumes"):
        dataclasses.replace(PLAIN, volumes=volumes)


def test_an_unknown_scope_is_refused_with_the_known_ones():
    """As a command or a config spells them."""
    assert parse_scopes(["upload", "read"]) == {Scope.READ, Scope.UPLOAD}
    with pytest.raises(Unsignable, match="known scopes: admin, audit, delete"):
        parse_scopes(["read", "write"])


def test_a_token_has_one_text_in_every_process(ring):
    """Scopes and limits are sorted, although sets have another order in each process."""
    token = dataclasses.replace(LIMITED, scopes=frozenset(Scope))
    _, _, claims, _ = sign_token(ring, token).split(".")
    document = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert document["scopes"] == sorted(Scope)
    assert list(document)[-2:] == ["bytes_per_day", "uploads_per_minute"]
