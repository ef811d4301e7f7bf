"""Checks of a URL's permission with the keys. The result does not contain the MAC."""

import time
from collections.abc import Sequence
from typing import Any

from permission_urls import (
    NO_EXPIRY,
    DerivedKey,
    Forbidden,
    KeyRingError,
    KeySource,
    MalformedUrl,
    Verifier,
    parse_permission_url,
)
from volumes.sizes import Size, size_classes


def check_permission(
    target: str,
    keys: KeySource | DerivedKey | None,
    sizes: Sequence[Size],
    *,
    now_seconds: float,
) -> dict[str, Any] | None:
    """Return `key`, `expires`, `verdict`, and `status` of a request target; None if it is empty.

    The status is the verifier's response: 400, 403, or 200 for a valid permission. Without keys it
    is None, unless the target is malformed.
    """
    if not target:
        return None
    try:
        permission = parse_permission_url(target).permission
    except MalformedUrl as error:
        return _document(str(error), 400)
    except Forbidden as error:
        return _document(error.reason, 403)
    verdict, status = _verdict(target, keys, sizes, now_seconds=now_seconds)
    expires = (
        "never"
        if permission.expiry == NO_EXPIRY
        else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(permission.expiry))
    )
    return {**_document(verdict, status), "key": permission.key_id, "expires": expires}


def _verdict(
    target: str,
    keys: KeySource | DerivedKey | None,
    sizes: Sequence[Size],
    *,
    now_seconds: float,
) -> tuple[str, int | None]:
    if keys is None:
        return "not checked: the keys are not readable", None
    known = {keys.key_id: keys.secret} if isinstance(keys, DerivedKey) else keys
    try:
        Verifier(known, size_classes(tuple(sizes))).verify(target, now_seconds)
    except Forbidden as error:
        return error.reason, 403
    except KeyRingError as error:
        return f"not checked: {error}", None
    return "good", 200


def _document(verdict: str, status: int | None) -> dict[str, Any]:
    return {"key": "", "expires": "", "verdict": verdict, "status": status}
