"""Expiry: one spelling, an exact end, and cache lifetimes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from permission_urls import Unsignable, cache_control, round_up_expiry
from permission_urls.expiry import EXPIRY_SECONDS_MAX, is_expired, parse_expiry, render_expiry


@given(expiry_seconds=st.integers(min_value=0, max_value=EXPIRY_SECONDS_MAX))
def test_rendering_and_parsing_an_expiry_are_inverse(expiry_seconds):
    """Round trip of up to ten hex digits."""
    text = render_expiry(expiry_seconds)
    assert parse_expiry(text) == expiry_seconds
    assert len(text) <= 10
    assert text == "0" or not text.startswith("0")


@pytest.mark.parametrize("expiry_seconds", [-1, EXPIRY_SECONDS_MAX + 1])
def test_an_expiry_out_of_range_is_refused(expiry_seconds):
    """An expiry that no verifier accepts is not signed."""
    with pytest.raises(Unsignable):
        render_expiry(expiry_seconds)


@pytest.mark.parametrize("skew_seconds", [-600, -301, -300, -60, -1, 0, 1, 60, 300, 301, 600])
@pytest.mark.parametrize("left_seconds", [-600, -1, 0, 1, 60, 300, 600])
def test_a_skewed_clock_moves_the_end_by_its_skew_and_no_more(now, skew_seconds, left_seconds):
    """A skewed clock shifts only the end of the permission."""
    assert is_expired(now + left_seconds, now + skew_seconds) is (skew_seconds >= left_seconds)
    assert is_expired(0, now + skew_seconds) is False


def test_fractions_of_a_second_do_not_matter(now):
    """Clocks with and without fractions agree."""
    for fraction in (0.0, 0.001, 0.5, 0.999):
        assert (
            is_expired(now + 1, now + fraction) is is_expired(now + 1, int(now + fraction)) is False
        )
        assert is_expired(now, now + fraction) is is_expired(now, int(now + fraction)) is True


@given(
    now_seconds=st.integers(min_value=0, max_value=2**33) | st.floats(min_value=0, max_value=2**33),
    lifetime_seconds=st.integers(min_value=1, max_value=10**8),
    window_seconds=st.integers(min_value=1, max_value=86_400),
)
def test_rounding_up_never_shortens_and_adds_less_than_a_window(
    now_seconds, lifetime_seconds, window_seconds
):
    """The lifetime is kept, and the end is a multiple of the window."""
    expiry = round_up_expiry(
        now_seconds, lifetime_seconds=lifetime_seconds, window_seconds=window_seconds
    )
    wanted = now_seconds + lifetime_seconds
    assert wanted <= expiry < wanted + window_seconds
    assert expiry % window_seconds == 0


def test_all_expiries_of_one_window_are_the_same(now):
    """URLs signed within one window are equal."""
    start = now - now % 300
    within = {round_up_expiry(start + s, lifetime_seconds=3600) for s in range(1, 301)}
    assert within == {start + 3900}
    assert round_up_expiry(start, lifetime_seconds=3600) == start + 3600


def test_a_permanent_url_is_cached_permanently(now):
    """The header of a permanent URL is constant."""
    assert cache_control(0, now) == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("left_seconds", "max_age"),
    [(1, 1), (300, 300), (0, 0), (-5, 0), (31_536_000, 31_536_000), (10**11, 31_536_000)],
)
def test_max_age_is_what_is_left_and_never_more(now, left_seconds, max_age):
    """`max-age` is between zero and one year, without `immutable`."""
    assert cache_control(now + left_seconds, now) == f"public, max-age={max_age}"


def test_max_age_is_rounded_down(now):
    """Half a second rounds down to zero."""
    assert cache_control(now + 1, now + 0.5) == "public, max-age=0"
    assert cache_control(now + 10, now + 0.001) == "public, max-age=9"
