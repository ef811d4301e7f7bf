r"""Upload tickets: an application's signed permission to upload, for a browser or a device.

    gt1.{key}.{claims}.{mac}      signed claims, with the application's own key

    {"application": "shop", "id": "k3v9q2mf7w0xc", "expiry": 1893456000, "count": 1,
     "bytes_max": 20000000}

The key of an application is derived from the ticket key of the cluster and its name. It signs
tickets of that application and nothing else. A ticket can also have `formats`, `sha256`, `volume`,
`strict`, `to` (the address that a form leads to), and `ref` (the application's own reference). A
claim that this version does not know makes the ticket invalid, because it can be a restriction.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from permission_urls.application_keys import application_key, application_keys
from permission_urls.errors import Expired, NoPermission, Unsignable
from permission_urls.expiry import is_expired
from permission_urls.key_source import KeySource
from permission_urls.keys import RandomBytes
from permission_urls.purposes import Purpose
from permission_urls.signed_claims import render_claims, render_signed, split_claims
from permission_urls.signing import DerivedKey, KeyedMac, PurposeVerifier
from permission_urls.tokens import APPLICATION_PATTERN

PREFIX = "gt1"
LIFETIME_SECONDS_MAX = 7 * 24 * 3600
COUNT_MAX = 500
REF_CHARACTERS_MAX = 64

_ID_CHARACTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_ID = re.compile(f"[{_ID_CHARACTERS}]{{13}}")
_APPLICATION = re.compile(APPLICATION_PATTERN)
_SHA256 = re.compile("[0-9a-f]{64}")
_TO = re.compile(r"https?://[!\"$-~]{1,500}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A permission to upload `count` photos. `expiry` is in seconds since the epoch.

    Raises:
        Unsignable: A value is invalid.
    """

    application: str
    id: str
    expiry: int
    count: int = 1
    bytes_max: int
    formats: tuple[str, ...] | None = None
    """The accepted formats by their extension, or None for all."""
    sha256: str | None = None
    """The digest that the photo must have."""
    volume: int | None = None
    strict: bool = False
    to: str | None = None
    """The address that a form leads to after the upload."""
    ref: str | None = None
    """The application's own reference, which receipts and events repeat."""

    def __post_init__(self) -> None:
        problem = next(iter(_problems_of(self)), None)
        if problem:
            raise Unsignable(problem)


def generate_ticket_id(random_bytes: RandomBytes) -> str:
    """Return the id of a new ticket: 65 random bits as thirteen characters."""
    number = int.from_bytes(random_bytes(9), "big")
    return "".join(_ID_CHARACTERS[number >> shift & 31] for shift in range(0, 65, 5))


def ticket_key_of(keys: KeySource, application: str) -> DerivedKey:
    """Return the key with which an application signs tickets."""
    return application_key(keys, Purpose.TICKET, application)


def sign_ticket(key: DerivedKey, ticket: Ticket) -> str:
    """Return the text of a ticket, for an Authorization header or the field of a form.

    Raises:
        Unsignable: The text would be longer than a verifier accepts.
    """
    defaults = {each.name: each.default for each in fields(Ticket)}
    claims = {
        name: getattr(ticket, name)
        for name in defaults
        if getattr(ticket, name) != defaults[name] or name == "count"
    }
    return render_signed(render_claims(PREFIX, key.key_id, claims), KeyedMac(key.secret))


class TicketVerifier:
    """Verifier of the tickets of every application, which follows the keys of its source."""

    __slots__ = ("_keys",)

    def __init__(self, keys: KeySource) -> None:
        self._keys = keys

    def verify(self, text: str, *, now_seconds: float) -> Ticket:
        """Return the ticket of a text.

        Raises:
            NoPermission: The text is not a ticket, or ends later than any ticket may.
            UnknownKey, RetiredKey, BadMac: The signature is invalid.
            Expired: The ticket has ended.
        """
        ticket = self.verify_ended(text)
        if is_expired(ticket.expiry, now_seconds):
            raise Expired
        if ticket.expiry > now_seconds + LIFETIME_SECONDS_MAX:
            raise NoPermission
        return ticket

    def verify_ended(self, text: str) -> Ticket:
        """Return the ticket of a text, which can have ended.

        Raises:
            NoPermission: The text is not a ticket.
            UnknownKey, RetiredKey, BadMac: The signature is invalid.
        """
        claims = split_claims(text, PREFIX)
        # The application of an unsigned text only selects the key that must have signed it.
        application = claims.values.get("application")
        if not isinstance(application, str) or not _APPLICATION.fullmatch(application):
            raise NoPermission
        secrets = application_keys(self._keys, Purpose.TICKET, application)
        ring = self._keys.ring(Purpose.TICKET)
        retired = [key.key_id for key in ring.keys if not key.state.verifies]
        PurposeVerifier(secrets, retired_ids=retired).check(
            claims.signed, key_id=claims.key_id, mac=claims.mac
        )
        return _ticket_of(claims.values)


def _ticket_of(claims: Mapping[str, Any]) -> Ticket:
    values = dict(claims)
    if isinstance(values.get("formats"), list):
        values["formats"] = tuple(values["formats"])
    try:
        return Ticket(**values)
    except (TypeError, Unsignable) as error:
        raise NoPermission from error


def _problems_of(ticket: Ticket) -> list[str]:
    checks = {
        f"application must match {APPLICATION_PATTERN}": _matches(_APPLICATION, ticket.application),
        "id must be thirteen characters of base32": _matches(_ID, ticket.id),
        "expiry must be above 0": _is_number(ticket.expiry, 1),
        f"count must be from 1 to {COUNT_MAX}": _is_number(ticket.count, 1, COUNT_MAX),
        "bytes_max must be above 0": _is_number(ticket.bytes_max, 1),
        "formats must be extensions": ticket.formats is None
        or (bool(ticket.formats) and all(isinstance(each, str) for each in ticket.formats)),
        "sha256 must be lower-case hex, for one photo": ticket.sha256 is None
        or (_matches(_SHA256, ticket.sha256) and ticket.count == 1),
        "volume must be a number": ticket.volume is None or _is_number(ticket.volume, 1),
        "strict must be true or false": isinstance(ticket.strict, bool),
        "to must be an http or https URL in ASCII without a fragment": ticket.to is None
        or _matches(_TO, ticket.to),
        f"ref must be 1 to {REF_CHARACTERS_MAX} printable characters": ticket.ref is None
        or (
            isinstance(ticket.ref, str)
            and 0 < len(ticket.ref) <= REF_CHARACTERS_MAX
            and ticket.ref.isprintable()
        ),
    }
    return [problem for problem, holds in checks.items() if not holds]


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_number(value: object, least: int, most: int | None = None) -> bool:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return is_whole and least <= value and (most is None or value <= most)  # type: ignore[operator]
