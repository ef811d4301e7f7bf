"""Limits of retries, and the decision to retry or to give up."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Timeouts for a server.

    >>> Timeouts(response_seconds=5)
    Timeouts(connect_seconds=3, response_seconds=5)
    """

    connect_seconds: float = 3
    response_seconds: float = 30
    """Time without a byte in either direction. Any progress restarts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Number of attempts, and the pauses between them.

    A pause is random up to a bound that doubles each time (full jitter), so that many clients of a
    failed server do not return at once.

    >>> Retries(attempts_max=1)  # no retries
    Retries(attempts_max=1, first_pause_seconds=0.2, pause_seconds_max=5, retry_after_seconds_max=10)
    """  # noqa: E501  # the output of an example cannot be broken

    attempts_max: int = 5
    first_pause_seconds: float = 0.2
    pause_seconds_max: float = 5
    retry_after_seconds_max: float = 10
    """Upper bound for a server's Retry-After."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The decision to try the next server after a pause."""

    pause_seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The decision to report the error."""


def decide(
    retries: Retries,
    *,
    attempt: int,
    servers: int,
    can_send_again: bool,
    retry_after_seconds: float | None,
    jitter: float,
) -> Retry | GiveUp:
    """Decide what to do after attempt number `attempt` failed with a transient error.

    Every server is tried once, even if there are more servers than attempts. `jitter` is a random
    number from 0 to 1.
    """
    if not can_send_again or attempt >= max(retries.attempts_max, servers):
        return GiveUp()
    bound = min(retries.first_pause_seconds * 2 ** (attempt - 1), retries.pause_seconds_max)
    wanted = min(retry_after_seconds or 0.0, retries.retry_after_seconds_max)
    return Retry(max(jitter * bound, wanted))


def parse_retry_after(text: str | None) -> float | None:
    """Parse a Retry-After header in seconds; None if it is missing or a date.

    >>> parse_retry_after("2")
    2.0
    """
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    return float(text)
