"""Expiry of a permission: seconds since the epoch in the signed bytes, in hex.

`0` never expires. Any other permission is expired from the named second on, so that clocks with
and without fractions agree.
"""

import math

from permission_urls.errors import Unsignable

EXPIRY_PATTERN = "(?:0|[1-9a-f][0-9a-f]{0,9})"
EXPIRY_SECONDS_MAX = 16**10 - 1
NO_EXPIRY = 0
WINDOW_SECONDS = 300

# Caches treat one year as permanent; a larger value can overflow in some of them.
_MAX_AGE_SECONDS_MAX = 31_536_000
_PERMANENT = f"public, max-age={_MAX_AGE_SECONDS_MAX}, immutable"


def render_expiry(expiry_seconds: int) -> str:
    """Render the expiry as in the signed bytes.

    >>> render_expiry(1700000100)
    '6553f164'

    Raises:
        Unsignable: The expiry is negative or has more than ten hex digits.
    """
    if not 0 <= expiry_seconds <= EXPIRY_SECONDS_MAX:
        raise Unsignable(f"expiry {expiry_seconds} is out of range: 0 to {EXPIRY_SECONDS_MAX}")
    return f"{expiry_seconds:x}"


def parse_expiry(text: str) -> int:
    """Parse what `render_expiry` returns. The text must match EXPIRY_PATTERN.

    >>> parse_expiry("6553f164")
    1700000100
    """
    return int(text, 16)


def is_expired(expiry_seconds: int, now_seconds: float) -> bool:
    """Return True if the expiry has passed."""
    return expiry_seconds != NO_EXPIRY and now_seconds >= expiry_seconds


def round_up_expiry(
    now_seconds: float, *, lifetime_seconds: int, window_seconds: int = WINDOW_SECONDS
) -> int:
    """Return the first window end that is at least `lifetime_seconds` from now.

    All URLs signed within one window are then equal, so that caches can reuse them.

    >>> round_up_expiry(1700000000, lifetime_seconds=60)
    1700000100
    """
    return math.ceil((now_seconds + lifetime_seconds) / window_seconds) * window_seconds


def cache_control(expiry_seconds: int, now_seconds: float) -> str:
    """Return the Cache-Control of a response, which never outlives the permission.

    >>> cache_control(1700000100, 1700000000)
    'public, max-age=100'
    """
    if expiry_seconds == NO_EXPIRY:
        return _PERMANENT
    left_seconds = math.floor(expiry_seconds - now_seconds)
    return f"public, max-age={min(max(left_seconds, 0), _MAX_AGE_SECONDS_MAX)}"
