"""When a permission ends: absolute seconds inside the signed bytes, written in hex.

`0` is for ever. Anything else is over from the very second it names, so that a clock with fractions
and one that cuts them off agree.
"""

import math

from permission_urls.errors import Unsignable

EXPIRY_PATTERN = "(?:0|[1-9a-f][0-9a-f]{0,9})"
EXPIRY_SECONDS_MAX = 16**10 - 1
NO_EXPIRY = 0
WINDOW_SECONDS = 300

# One year is what caches take for "for ever"; more only invites an overflow in one of them.
_MAX_AGE_SECONDS_MAX = 31_536_000
_PERMANENT = f"public, max-age={_MAX_AGE_SECONDS_MAX}, immutable"


def render_expiry(expiry_seconds: int) -> str:
    """The expiry as it stands in signed bytes.

    >>> render_expiry(1700000100)
    '6553f164'

    Raises:
        Unsignable: It is negative or has more than ten hex digits.
    """
    if not 0 <= expiry_seconds <= EXPIRY_SECONDS_MAX:
        raise Unsignable(f"{expiry_seconds} is not an expiry: 0 to {EXPIRY_SECONDS_MAX}")
    return f"{expiry_seconds:x}"


def parse_expiry(text: str) -> int:
    """The inverse of `render_expiry`, for text that matches EXPIRY_PATTERN.

    >>> parse_expiry("6553f164")
    1700000100
    """
    return int(text, 16)


def is_expired(expiry_seconds: int, now_seconds: float) -> bool:
    """Whether the permission has ended."""
    return expiry_seconds != NO_EXPIRY and now_seconds >= expiry_seconds


def round_up_expiry(
    now_seconds: float, *, lifetime_seconds: int, window_seconds: int = WINDOW_SECONDS
) -> int:
    """The first end of a window that is at least `lifetime_seconds` away.

    All URLs signed within one window are then the same, so that caches see them again.

    >>> round_up_expiry(1700000000, lifetime_seconds=60)
    1700000100
    """
    return math.ceil((now_seconds + lifetime_seconds) / window_seconds) * window_seconds


def cache_control(expiry_seconds: int, now_seconds: float) -> str:
    """The Cache-Control of an answer: never longer than what is left of the permission.

    >>> cache_control(1700000100, 1700000000)
    'public, max-age=100'
    """
    if expiry_seconds == NO_EXPIRY:
        return _PERMANENT
    left_seconds = math.floor(expiry_seconds - now_seconds)
    return f"public, max-age={min(max(left_seconds, 0), _MAX_AGE_SECONDS_MAX)}"
