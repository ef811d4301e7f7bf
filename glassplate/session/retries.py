"""When to ask again, and when to stop: pure decisions, with the limits they go by."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait for a server.

    >>> Timeouts(response_seconds=5)
    Timeouts(connect_seconds=3, response_seconds=5)
    """

    connect_seconds: float = 3
    response_seconds: float = 30
    """Without a byte going either way: a slow link that moves is waited for as long as it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often to ask again, and how long to pause in between.

    A pause is random, up to a bound that doubles each time (full jitter), so that many clients
    that lost the same server do not come back all at once.

    >>> Retries(attempts_max=1)  # never again
    Retries(attempts_max=1, first_pause_seconds=0.2, pause_seconds_max=5, retry_after_seconds_max=10)
    """  # noqa: E501  # the output of an example cannot be broken

    attempts_max: int = 5
    first_pause_seconds: float = 0.2
    pause_seconds_max: float = 5
    retry_after_seconds_max: float = 10
    """Of a server's Retry-After, which is honoured no longer than this."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Ask again, at the next server, after a pause."""

    pause_seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Tell the caller."""


def decide(
    retries: Retries,
    *,
    attempt: int,
    servers: int,
    can_send_again: bool,
    retry_after_seconds: float | None,
    jitter: float,
) -> Retry | GiveUp:
    """What to do after attempt number `attempt` failed in a way that may pass.

    Every server is asked once before giving up, even if there are more than attempts. `luck` is a
    random number from 0 to 1.
    """
    if not can_send_again or attempt >= max(retries.attempts_max, servers):
        return GiveUp()
    bound = min(retries.first_pause_seconds * 2 ** (attempt - 1), retries.pause_seconds_max)
    wanted = min(retry_after_seconds or 0.0, retries.retry_after_seconds_max)
    return Retry(max(jitter * bound, wanted))


def parse_retry_after(text: str | None) -> float | None:
    """The seconds of a Retry-After header; None if it has none, or names a date.

    >>> parse_retry_after("2")
    2.0
    """
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    return float(text)
