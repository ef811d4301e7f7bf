"""The decision to retry or to give up."""

import pytest

from glassplate.session.retries import GiveUp, Retries, Retry, decide, parse_retry_after

POLICY = Retries(attempts_max=4, first_pause_seconds=1, pause_seconds_max=3)


def after(attempt, **changes):
    """Return the decision after an attempt."""
    facts = {"servers": 1, "can_send_again": True, "retry_after_seconds": None, "jitter": 0.5}
    return decide(POLICY, attempt=attempt, **{**facts, **changes})


def test_pause_is_random_below_a_bound_that_doubles():
    """A pause is between zero and the bound, which has a maximum."""
    assert [after(n, jitter=1.0) for n in (1, 2, 3)] == [Retry(1), Retry(2), Retry(3)]
    assert [after(n, jitter=0.0) for n in (1, 2, 3)] == [Retry(0)] * 3


def test_attempts_end():
    """The last attempt has no retry."""
    assert after(4) == GiveUp()


def test_every_server_is_tried_once():
    """All servers are tried, even if there are more servers than attempts."""
    assert isinstance(after(5, servers=6), Retry)
    assert after(6, servers=6) == GiveUp()


def test_a_consumed_body_is_not_retried():
    """A body that cannot be sent again ends the attempts."""
    assert after(1, can_send_again=False) == GiveUp()


def test_retry_after_is_honored_up_to_a_limit():
    """A Retry-After extends the pause, up to the configured maximum."""
    assert after(1, retry_after_seconds=2.0) == Retry(2.0)
    assert after(1, retry_after_seconds=3600.0) == Retry(POLICY.retry_after_seconds_max)
    assert after(3, jitter=1.0, retry_after_seconds=0.0) == Retry(3)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("2", 2.0), ("0", 0.0), (None, None), ("-1", None), ("soon", None), ("", None)],
)
def test_retry_after_is_a_number_of_seconds(header, seconds):
    """Other values are ignored."""
    assert parse_retry_after(header) == seconds
