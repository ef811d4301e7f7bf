"""Bugs in who may fetch what, and until when."""

import re

from permission_urls import expiry, permission, verifier
from permission_urls.errors import BadMac
from permission_urls.internal import InternalVerifier
from permission_urls.keys import KeyState
from permission_urls.signing import PurposeVerifier
from tests.planted.finders import Tests
from tests.planted.planted_bug import PlantedBug

GOLDEN = Tests("tests/permission_urls/test_golden_urls.py")


def compares_the_beginning_of_a_mac(patch):
    """The rest may be anything."""

    def check(self, message, *, key_id, mac):
        if self._macs[key_id](message)[:8] != mac[:8]:
            raise BadMac

    patch.setattr(PurposeVerifier, "check", check)


def forgets_the_expiry(patch):
    """What was permitted once is for ever."""
    patch.setattr(verifier, "is_over", lambda _expiry, _now: False)


def is_lenient_about_the_expiry(patch):
    """A minute more will do."""
    is_over = expiry.is_expired
    patch.setattr(verifier, "is_over", lambda until, now: is_over(until, now - 60))


def signs_no_size_class(patch):
    """One MAC opens the original too."""
    patch.setattr(
        verifier,
        "signed_bytes",
        lambda stem, expiry_text, size_class: permission.signed_bytes(
            stem, expiry_text=expiry_text, size_class="web" if size_class else ""
        ),
    )


def accepts_retired_keys(patch):
    """A rotation ends nothing."""
    patch.setattr(KeyState, "verifies", property(lambda _: True))


def decodes_before_it_checks(patch):
    """So that one photo has many URLs."""
    parse = permission.parse_permission_url

    def decode_and_parse(raw):
        text = raw.decode("latin-1") if isinstance(raw, bytes) else raw
        return parse(re.sub("%([0-9a-fA-F]{2})", lambda m: chr(int(m[1], 16)), text))

    patch.setattr(verifier, "parse_permission_url", decode_and_parse)


def takes_any_internal_request(patch):
    """Whoever reaches the write port may write."""
    patch.setattr(InternalVerifier, "verify_request", lambda *_, **__: "a")


BUGS_OF_PERMISSIONS = (
    PlantedBug(
        what="only the beginning of a MAC is compared",
        plant=compares_the_beginning_of_a_mac,
        found_by=GOLDEN,
    ),
    PlantedBug(
        what="a permission never ends",
        plant=forgets_the_expiry,
        found_by=GOLDEN,
    ),
    PlantedBug(
        what="a permission ends a minute late",
        plant=is_lenient_about_the_expiry,
        found_by=GOLDEN,
    ),
    PlantedBug(
        what="a permission for small sizes opens the original",
        plant=signs_no_size_class,
        found_by=GOLDEN,
    ),
    PlantedBug(
        what="a retired key opens what it always did",
        plant=accepts_retired_keys,
        found_by=Tests("tests/permission_urls/test_rotation.py"),
    ),
    PlantedBug(
        what="a URL is decoded before it is checked",
        plant=decodes_before_it_checks,
        found_by=GOLDEN,
    ),
    PlantedBug(
        what="a node takes writes that nobody has signed",
        plant=takes_any_internal_request,
        found_by=Tests("tests/permission_urls/test_internal_requests.py"),
    ),
)
