"""A job runs only with exactly its signed fields."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from permission_urls import (
    BadMac,
    Forbidden,
    NoPermission,
    RetiredKey,
    UnknownKey,
    Unsignable,
    sign_job,
    verify_job,
)

FIELDS = {"photo": "01jd3x8m2c9qp4k7", "version": "3fz8qd", "volume": "42"}
LINES = st.text(
    alphabet=st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=8
)
NAMES = LINES.filter(lambda name: name and "=" not in name)
JOBS = st.dictionaries(NAMES, LINES, max_size=4)


def test_a_signed_job_is_accepted_in_any_order_of_fields(ring):
    """The order of the fields does not matter."""
    signature = sign_job(ring, FIELDS)
    assert verify_job(ring, signature, dict(reversed(FIELDS.items()))) == "a"


@settings(max_examples=100)
@given(one=JOBS, other=JOBS)
def test_no_two_jobs_share_a_signature(ring, one, other):
    """Fields cannot be joined, split, or moved."""
    assert (sign_job(ring, one) == sign_job(ring, other)) is (one == other)


@pytest.mark.parametrize(
    "fields",
    [{}, FIELDS | {"volume": "43"}, FIELDS | {"size": "m"}, {"photo": FIELDS["photo"]},
     FIELDS | {"volume": "4=2"}],
)  # fmt: skip
def test_a_changed_job_is_refused(ring, fields):
    """Changed, added, and missing fields are rejected."""
    with pytest.raises(BadMac):
        verify_job(ring, sign_job(ring, FIELDS), fields)


@pytest.mark.parametrize(
    "fields",
    [{"a\n": "b"}, {"a": "b\nc=d"}, {"a=b": "c"}, {"": "b"}, {"a": "\ud800"}, {"a": 3}, {"a": None},
     {1: "b"}, {"a": {"b": "c"}}, {"a": "b", "c": "d\n"}],
)  # fmt: skip
def test_fields_without_one_reading_are_neither_signed_nor_accepted(ring, fields):
    """Ambiguous or invalid fields raise only errors of this package."""
    with pytest.raises(Unsignable):
        sign_job(ring, fields)
    with pytest.raises(NoPermission):
        verify_job(ring, sign_job(ring, FIELDS), fields)


def test_a_value_may_hold_an_equals_sign(ring):
    """Only the first equals sign of a line separates."""
    fields = {"url": "https://example.org/?a=b"}
    assert verify_job(ring, sign_job(ring, fields), fields) == "a"


@pytest.mark.parametrize(
    ("key_id", "error"),
    [("b2", BadMac), ("old", RetiredKey), ("x", UnknownKey), ("", NoPermission)],
)
def test_the_key_id_selects_one_key_of_a_job(ring, key_id, error):
    """The id of another key gives BadMac."""
    with pytest.raises(error):
        verify_job(ring, f"{key_id}{sign_job(ring, FIELDS)[1:]}", FIELDS)


def test_a_job_signature_has_one_spelling(ring):
    """A change of any single character is rejected."""
    signature = sign_job(ring, FIELDS)
    for at in range(len(signature) + 1):
        for character in ("A", "b", "-", "_", "=", "+", "/", " ", "\n", "é", ""):
            for rest in (signature[at:], signature[at + 1 :]):
                changed = signature[:at] + character + rest
                if changed != signature:
                    with pytest.raises(Forbidden):
                        verify_job(ring, changed, FIELDS)
