"""Events that webhooks bring, verified before anything of them is trusted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from glassplate.errors import InvalidWebhook
from permission_urls import Forbidden, KeySource, verify_webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoEvent:
    """A change of the state of a photo."""

    volume: int
    photo: str
    version: str
    """Empty if all versions of a photo were deleted."""
    state: str
    """`uploaded`, `ready`, `failed`, or `deleted`."""
    reason: str = ""
    ref: str = ""
    """The application's own reference of an upload with a ticket, in its event `uploaded`."""

    @property
    def reference(self) -> str:
        """VOLUME/PHOTO/VERSION, or VOLUME/PHOTO if all versions were deleted."""
        return f"{self.volume}/{self.photo}/{self.version}".rstrip("/")


def verified_event(
    keys: KeySource | Mapping[str, bytes],
    signature: str | None,
    body: bytes,
    *,
    now_seconds: float,
) -> PhotoEvent:
    """Return the event of a webhook.

    Raises:
        InvalidWebhook: Its signature is missing, invalid, or too old, or it is not an event.
    """
    try:
        verify_webhook(keys, signature or "", body, now_seconds=now_seconds)
    except Forbidden as error:
        raise InvalidWebhook(f"the webhook is refused: {error.reason}") from error
    try:
        fields = json.loads(body)
        known = {name: fields[name] for name in PhotoEvent.__slots__ if name in fields}
        return PhotoEvent(**known)
    except (ValueError, TypeError) as error:
        raise InvalidWebhook("the webhook is not an event of a photo") from error
