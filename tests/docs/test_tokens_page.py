"""docs/formats/tokens.md and docs/tokens.md: claims, scopes, and example are the code's."""

import base64
import json

from permission_urls import Key, KeyRing, KeyState, Scope, TokenVerifier
from permission_urls.signed_claims import CHARACTERS_MAX
from permission_urls.tokens import _CLAIMS, VOLUME_RANGES_MAX
from storagemaster import wire
from tests.docs.pages import blocks, read_page, table, tables

FORMAT = read_page("docs/formats/tokens.md")
PAGE = read_page("docs/tokens.md")
KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(32)), state=KeyState.SIGNING),))


def test_the_example_is_a_valid_token():
    """The JSON block has its claims, and a verifier with its secret accepts it."""
    assert f"`{KEYS.keys[0].secret.hex()}`" in FORMAT
    claims, token = blocks(FORMAT, "json")[-1].strip(), blocks(FORMAT, "text")[-1].strip()
    assert base64.urlsafe_b64decode(token.split(".")[2] + "==").decode() == claims
    verified = TokenVerifier(KEYS).verify(token, scope_needed=Scope.READ, now_seconds=0)
    document = json.loads(claims)
    assert (verified.id, verified.application) == (document["id"], document["application"])


def test_all_claims_are_listed():
    """The page has every claim, and the limits of the code."""
    listed = {row["claim"] for row in tables(FORMAT)[1]}
    assert listed == set(_CLAIMS)
    assert f"at most {VOLUME_RANGES_MAX} ranges" in FORMAT
    assert f"at most {CHARACTERS_MAX} characters" in FORMAT


def test_all_scopes_are_listed():
    """Both the page and the routes know the same scopes, except `original`."""
    listed = {row["scope"] for row in table(PAGE, "## Scopes")}
    assert listed == set(Scope)
    routes = {r.access for r in vars(wire).values() if isinstance(r, wire.Route)}
    assert set(Scope) - routes == {Scope.ORIGINAL}
