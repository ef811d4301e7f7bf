"""Counting of failed attempts by their files."""

from hypothesis import given
from hypothesis import strategies as st

from volumes.attempts import ATTEMPTS_MAX, next_failure_record
from volumes.photo_path import ATTEMPT_NUMBERS, Attempt, Failure, parse_photo_version

OF = parse_photo_version("42/01jd3x8m2c9qp4k7/3fz8qd")
OTHER = parse_photo_version("42/01jd3x8m2c9qp4k7/3fz8qe")


def test_the_last_of_three_attempts_is_the_failure():
    """The third record is the failure."""
    files = []
    for _ in range(ATTEMPTS_MAX):
        files.append(next_failure_record(OF, files))
    assert files == [Attempt(OF, 1), Attempt(OF, 2), Failure(OF)]


def test_attempts_at_another_version_do_not_count():
    """Attempts at other versions do not count."""
    assert next_failure_record(OF, [Attempt(OTHER, 1), Attempt(OTHER, 2)]) == Attempt(OF, 1)


@given(st.sets(st.sampled_from([Attempt(OF, number) for number in ATTEMPT_NUMBERS])))
def test_a_record_never_overwrites_another(files):
    """A new record never overwrites an existing one, also after a mirror has lost one."""
    assert next_failure_record(OF, files) not in files
