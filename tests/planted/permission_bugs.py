"""Bugs in permissions."""

import re
from functools import lru_cache

from permission_urls import Purpose, Restriction, permission, tokens, verifier
from permission_urls.errors import BadMac
from permission_urls.signing import PurposeVerifier
from tests.planted.finders import Tests
from tests.planted.planted_bug import PlantedBug

GOLDEN = Tests("tests/permission_urls/test_golden_urls.py")
TOKENS = Tests("tests/permission_urls/test_api_tokens.py")


def compares_a_prefix_of_the_mac(patch):
    """Compare the first 8 characters."""

    def check(self, message, *, key_id, mac):
        if self._macs[key_id](message)[:8] != mac[:8]:
            raise BadMac

    patch.setattr(PurposeVerifier, "check", check)


def signs_no_size_class(patch):
    """Sign all sizes as one class."""
    patch.setattr(
        verifier,
        "signed_bytes",
        lambda stem, expiry_text, size_class: permission.signed_bytes(
            stem, expiry_text=expiry_text, size_class="web" if size_class else ""
        ),
    )


def decodes_before_it_verifies(patch):
    """Decode percent escapes, so that a photo has many URLs."""
    parse = permission.parse_permission_url

    def decode_and_parse(raw):
        text = raw.decode("latin-1") if isinstance(raw, bytes) else raw
        return parse(re.sub("%([0-9a-fA-F]{2})", lambda m: chr(int(m[1], 16)), text))

    patch.setattr(verifier, "parse_permission_url", decode_and_parse)


def confuses_purposes(patch):
    """Derive the same key for every purpose."""
    patch.setattr(Purpose, "salt", b"read")


def forgets_revocations(patch):
    """Accept a revoked token until it expires."""
    verify = tokens.TokenVerifier.verify

    def verify_without(self, *arguments, **options):
        self._is_revoked = lambda _: False
        return verify(self, *arguments, **options)

    patch.setattr(tokens.TokenVerifier, "verify", verify_without)


def remembers_tokens_past_their_key(patch):
    """Verify the signature of a text once, whatever becomes of its key."""
    patch.setattr(
        tokens.TokenVerifier, "_signed_token", lru_cache(tokens.TokenVerifier._signed_token)
    )


def accepts_tokens_without_an_expiry(patch):
    """Take a token without the claim as one that never expires."""
    patch.setattr(tokens, "_REQUIRED", tokens._REQUIRED - {"expiry"})
    parse = tokens.parse_claims
    patch.setattr(tokens, "parse_claims", lambda claims: parse({"expiry": 0, **claims}))


def ignores_the_classes_of_a_key(patch):
    """Open every size class with a restricted key."""
    patch.setattr(Restriction, "permits_class", lambda *_: True)


def ignores_the_lifetime_of_a_key(patch):
    """Accept URLs of a restricted key that end at any time."""
    patch.setattr(Restriction, "permits_expiry", lambda *_: True)


def derives_one_key_for_all_restrictions(patch):
    """Leave the restriction out of the derivation, so that it can be changed."""
    patch.setattr(
        verifier.Verifier,
        "_mac_of",
        lambda self, key: self._keys.mac_of(key.partition("-")[0]),
    )


BUGS_OF_PERMISSIONS = (
    PlantedBug(
        what="only a prefix of the MAC is compared",
        plant=compares_a_prefix_of_the_mac,
        found_by=GOLDEN,
    ),
    PlantedBug(
        what="a permission for small sizes opens the original",
        plant=signs_no_size_class,
        found_by=GOLDEN,
    ),
    PlantedBug(
        what="a URL is decoded before it is verified",
        plant=decodes_before_it_verifies,
        found_by=GOLDEN,
    ),
    PlantedBug(
        what="the size classes of a restricted key are not checked",
        plant=ignores_the_classes_of_a_key,
        found_by=GOLDEN,
    ),
    PlantedBug(
        what="the longest lifetime of a restricted key is not checked",
        plant=ignores_the_lifetime_of_a_key,
        found_by=GOLDEN,
    ),
    PlantedBug(
        what="a restricted key is the key that it derives from",
        plant=derives_one_key_for_all_restrictions,
        found_by=GOLDEN,
    ),
    PlantedBug(
        what="a key for one purpose signs for another",
        plant=confuses_purposes,
        found_by=Tests("tests/permission_urls/test_cross_use.py"),
    ),
    PlantedBug(
        what="the revocation of a token is not looked up",
        plant=forgets_revocations,
        found_by=TOKENS,
    ),
    PlantedBug(
        what="a remembered token outlives its key",
        plant=remembers_tokens_past_their_key,
        found_by=TOKENS,
    ),
    PlantedBug(
        what="a token can be without expiry",
        plant=accepts_tokens_without_an_expiry,
        found_by=TOKENS,
    ),
)
