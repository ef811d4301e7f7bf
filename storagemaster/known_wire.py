"""Photos by their keys on the wire: the keys of digests and of tickets."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from storagemaster.wire import parse_list
from volumes.json_text import parse_json

KNOWN_PHOTOS_MAX = 500
SHA256_PATTERN = "[0-9a-f]{64}"
Digest = Annotated[str, {"pattern": f"^{SHA256_PATTERN}$", "examples": ["0" * 64]}]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPhoto:
    """The photo with a digest, among the photos that the application uploaded by digest."""

    sha256: str
    state: str
    """`stored`, `gone` (deleted), `absent`, or `unavailable` (not every node responded)."""
    reference: str | None = None
    """VOLUME/PHOTO/VERSION of a stored photo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketUse:
    """One of the photos that a ticket permits."""

    index: int
    """Its `Glassplate-Ticket-Index`."""
    state: str
    """`stored`, `gone` (deleted), `absent`, or `unavailable` (not every node responded)."""
    reference: str | None = None
    """VOLUME/PHOTO/VERSION of a stored photo."""


class TicketUsesRequest(TypedDict):
    """A ticket of the application, valid or ended."""

    ticket: str


class TicketUses(TypedDict):
    """The photos that a ticket permits, by their index."""

    uses: list[TicketUse]


class KnownRequest(TypedDict):
    """The digests to look for. A photo is found if `sha256-DIGEST` was its Idempotency-Key."""

    sha256: Annotated[list[Digest], {"maxItems": KNOWN_PHOTOS_MAX}]


class KnownPhotos(TypedDict):
    """The photos of digests, in the order of the request."""

    photos: list[KnownPhoto]


def digest_key(sha256: str) -> str:
    """Return the Idempotency-Key of an upload that is found by its digest later."""
    return f"sha256-{sha256}"


def render_known_request(digests: Sequence[str]) -> bytes:
    """Return the request for photos by their digests: `{"sha256": ["2c26b46b...", ...]}`."""
    return json.dumps({"sha256": list(digests)}).encode()


def parse_known_request(body: bytes) -> tuple[str, ...]:
    """Parse what `render_known_request` returns.

    Raises:
        ValueError: The body is malformed, or has too many digests; the message is for the client.
    """
    digests = parse_list(body, "sha256", each="64 characters of hex", count_max=KNOWN_PHOTOS_MAX)
    for digest in digests:
        if not re.fullmatch(SHA256_PATTERN, digest):
            raise ValueError(f"invalid sha256 {digest[:80]!r}: must be 64 lower-case hex digits")
    return tuple(digests)


def render_ticket_request(ticket: str) -> bytes:
    """Return the request for the uses of a ticket."""
    return json.dumps({"ticket": ticket}).encode()


def parse_ticket_request(body: bytes) -> str:
    """Parse what `render_ticket_request` returns.

    Raises:
        ValueError: The body is malformed; the message is for the client.
    """
    try:
        document = parse_json(body)
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from error
    ticket = document.get("ticket") if isinstance(document, dict) and len(document) == 1 else None
    if not isinstance(ticket, str):
        raise ValueError('malformed body: send {"ticket": "gt1..."}')  # noqa: TRY004
    return ticket


def parse_ticket_uses(fields: dict[str, Any]) -> list[TicketUse]:
    """Parse the JSON of the uses of a ticket."""
    return [TicketUse(**each) for each in fields["uses"]]


def parse_known_photos(fields: dict[str, Any]) -> list[KnownPhoto]:
    """Parse the JSON of photos by their digests."""
    return [KnownPhoto(**each) for each in fields["photos"]]
