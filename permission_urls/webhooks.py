r"""Signed webhooks: the receiver can verify the sender and the age of an event.

    {key}.{seconds}.{mac}         the header; the MAC has the salt `webhook` and covers
    {seconds}\n{digest}

`seconds` is the time of sending since the epoch, in decimal. `digest` is the SHA-256 of the body as
64 lower-case hex characters. The webhooks of an application have its own key.
"""

import hashlib
import re
from collections.abc import Mapping

from permission_urls.errors import Expired, NoPermission
from permission_urls.key_source import KeySource
from permission_urls.keys import KEY_ID_PATTERN
from permission_urls.purposes import Purpose
from permission_urls.signing import MAC_PATTERN, DerivedKey, PurposeSigner, PurposeVerifier

_HEADER = re.compile(rf"({KEY_ID_PATTERN})\.([0-9]{{1,12}})\.({MAC_PATTERN})")


def sign_webhook(keys: KeySource | DerivedKey, body: bytes, *, now_seconds: float) -> str:
    """Return the header for a webhook that is sent now."""
    key_id, mac = PurposeSigner(keys, Purpose.WEBHOOK).current()
    seconds = str(int(now_seconds))
    return f"{key_id}.{seconds}.{mac(_message(seconds, body))}"


def verify_webhook(
    keys: KeySource | Mapping[str, bytes],
    text: str,
    body: bytes,
    *,
    now_seconds: float,
    age_seconds_max: float = 300,
) -> str:
    """Return the id of the key that signed this body at most `age_seconds_max` ago.

    `keys` are a source, or derived keys by id, such as `application_keys`.

    Raises:
        Forbidden: The signature is invalid or too old; the subclass has the reason.
    """
    header = _HEADER.fullmatch(text)
    if header is None:
        raise NoPermission
    key_id, seconds, mac = header.groups()
    PurposeVerifier.of(keys, Purpose.WEBHOOK).check(_message(seconds, body), key_id=key_id, mac=mac)
    if abs(now_seconds - int(seconds)) > age_seconds_max:
        raise Expired
    return key_id


def _message(seconds: str, body: bytes) -> bytes:
    return f"{seconds}\n{hashlib.sha256(body).hexdigest()}".encode()
