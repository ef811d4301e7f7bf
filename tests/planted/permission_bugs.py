"""Bugs in permissions and their expiry."""

import re

from permission_urls import expiry, permission, verifier
from permission_urls.errors import BadMac
from permission_urls.signing import PurposeVerifier
from tests.planted.finders import Tests
from tests.planted.planted_bug import PlantedBug

GOLDEN = Tests("tests/permission_urls/test_golden_urls.py")


def compares_a_prefix_of_the_mac(patch):
    """Compare the first 8 characters."""

    def check(self, message, *, key_id, mac):
        if self._macs[key_id](message)[:8] != mac[:8]:
            raise BadMac

    patch.setattr(PurposeVerifier, "check", check)


def accepts_expired_urls_for_a_minute(patch):
    """Accept a URL for 60 s after its expiry."""
    is_expired = expiry.is_expired
    patch.setattr(verifier, "is_expired", lambda until, now: is_expired(until, now - 60))


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


BUGS_OF_PERMISSIONS = (
    PlantedBug(
        what="only a prefix of the MAC is compared",
        plant=compares_a_prefix_of_the_mac,
        found_by=GOLDEN,
    ),
    PlantedBug(
        what="a permission expires a minute late",
        plant=accepts_expired_urls_for_a_minute,
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
)
