"""Results between processes: round trips, and rejection of invalid ones."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworker.made_sizes import MadeSizes, MadeVariant
from imageworker.processing_errors import KINDS, DecoderCrashed, UnprocessablePhoto
from imageworker.recipe import DEFAULT_RECIPE
from imageworker.sandbox.child_result import parse_result, render_result

JPEG = b"\xff\xd8\xff and more"
MADE = MadeSizes(
    (MadeVariant("s", "jpg", JPEG, 75, 75), MadeVariant("m", "jpg", JPEG + b"!", 240, 180)),
    b'{"a":1}',
)


def _framed(header: object, rest: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(4, "big") + text + rest


def _variant(**changed: object) -> bytes:
    fields = {"letter": "s", "ext": "jpg", "width": 75, "height": 75, "length": len(JPEG)} | changed
    return _framed({"info_bytes": 2, "variants": [list(fields.values())]}, b"{}" + JPEG)


def test_sizes_read_back_as_they_were() -> None:
    """Letters, dimensions, bytes, and info survive the round trip."""
    assert parse_result(render_result(MADE), recipe=DEFAULT_RECIPE) == MADE


@pytest.mark.parametrize("kind", KINDS.values())
def test_an_error_reads_back_as_the_same_error(kind: type[UnprocessablePhoto]) -> None:
    """The kind and the reason of an error survive the round trip."""
    with pytest.raises(kind, match="because of this"):
        parse_result(render_result(kind("because of this")), recipe=DEFAULT_RECIPE)


def test_the_reason_of_an_error_is_cleaned_and_cut() -> None:
    """The reason is cleaned and cut, so that a child cannot write terminal codes to a log."""
    with pytest.raises(UnprocessablePhoto) as caught:
        parse_result(
            _framed({"kind": "BrokenPhoto", "reason": "\x1b[2J\n" + "x" * 5000}),
            recipe=DEFAULT_RECIPE,
        )
    assert caught.value.reason.isprintable()
    assert len(caught.value.reason) <= 300


@pytest.mark.parametrize(
    "result",
    [
        b"",
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        _framed([]),
        _framed("text"),
        _framed({}),
        _framed({"kind": "SystemExit", "reason": "x"}),
        _framed({"kind": "UnprocessablePhoto", "reason": "x"}),
        _framed({"info_bytes": 0, "variants": 7}),
        _framed({"info_bytes": -1, "variants": []}, b"x"),
        _framed({"info_bytes": 5, "variants": []}, b"[1,2]"),
        _framed({"info_bytes": 0, "variants": []}, b"left over"),
        _variant(letter="o"),
        _variant(letter=["s"]),
        _variant(ext="png"),
        _variant(ext="html"),
        _variant(width=0),
        _variant(width=True),
        _variant(height=99_999),
        _variant(height="75"),
        _variant(length=len(JPEG) + 1),
        _variant(length=0),
        _variant(length=-5),
        b"\0\0\x20\0" + b"[" * 8192,
    ],
)
def test_a_result_that_does_not_match_the_recipe_is_a_crash(result: bytes) -> None:
    """Wrong types, sizes, formats, lengths, and documents raise DecoderCrashed."""
    with pytest.raises(DecoderCrashed, match="malformed result"):
        parse_result(result, recipe=DEFAULT_RECIPE)


@given(st.binary(max_size=200))
def test_random_bytes_raise_no_unexpected_error(result: bytes) -> None:
    """Random bytes give sizes or an UnprocessablePhoto."""
    with pytest.raises(UnprocessablePhoto):
        parse_result(result, recipe=DEFAULT_RECIPE)
