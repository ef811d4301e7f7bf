"""What a child says of its photo, as bytes: `render_result` and `parse_answer` are inverses.

The child has met a stranger's file, so nothing it says is believed for its form: the header is
JSON, every number is held against the recipe and the bytes at hand, and every variant must begin
like the format it claims to be.
"""

import json
from typing import Any

from imageworker.made_sizes import MadeSizes, MadeVariant
from imageworker.pixels.formats import HEAD_BYTES, format_of
from imageworker.processing_errors import KINDS, DecoderCrashed, UnprocessablePhoto
from imageworker.recipe import Recipe
from volumes.sizes import EDGE_PIXELS_MAX

HEADER_BYTES_MAX = 65_536

_LENGTH_BYTES = 4


def render_result(answer: MadeSizes | UnprocessablePhoto) -> bytes:
    """The answer as bytes: the length of a JSON header, the header, the info, the variants."""
    if isinstance(answer, UnprocessablePhoto):
        return _framed({"kind": type(answer).__name__, "reason": answer.reason})
    variants = [[v.letter, v.ext, v.width, v.height, len(v.data)] for v in answer.variants]
    header = _framed({"info_bytes": len(answer.info), "variants": variants})
    return b"".join([header, answer.info, *(variant.data for variant in answer.variants)])


def parse_result(data: bytes, *, recipe: Recipe) -> MadeSizes:
    """The sizes in an answer.

    Raises:
        UnprocessablePhoto: The answer says that there are none, and why.
        DecoderCrashed: It is no answer to this recipe.
    """
    try:
        answer = _parse(data, recipe)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DecoderCrashed("the decoder gave an answer that cannot be read") from error
    if isinstance(answer, UnprocessablePhoto):
        raise answer
    return answer


def _framed(header: dict[str, Any]) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(_LENGTH_BYTES, "big") + text


def _parse(data: bytes, recipe: Recipe) -> MadeSizes | UnprocessablePhoto:
    header_end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
    _require(header_end <= HEADER_BYTES_MAX, "the header is too long")
    header = json.loads(data[_LENGTH_BYTES:header_end])
    if "reason" in header:
        return KINDS[header["kind"]](str(header["reason"]))
    return _parse_sizes(header, data[header_end:], recipe)


def _parse_sizes(header: dict[str, Any], rest: bytes, recipe: Recipe) -> MadeSizes:
    at = int(header["info_bytes"])
    info = rest[:at]
    _require(not info or isinstance(json.loads(info), dict), "the info is no document")
    variants = []
    for letter, ext, width, height, length in header["variants"]:
        _require(type(length) is int and length > 0, "a variant has no length")
        variants.append(MadeVariant(letter, ext, rest[at : at + length], width, height))
        _require_asked_for(variants[-1], recipe)
        at += length
    _require(at == len(rest), "the lengths do not add up")
    return MadeSizes(tuple(variants), info)


def _require_asked_for(variant: MadeVariant, recipe: Recipe) -> None:
    edges = (variant.width, variant.height)
    photo_format = format_of(variant.data[:HEAD_BYTES])
    _require(any(variant.letter == size.letter for size in recipe.sizes), "no such size")
    _require(photo_format is not None and photo_format.ext == variant.ext, "another format")
    _require(all(type(e) is int and 1 <= e <= EDGE_PIXELS_MAX for e in edges), "no such edges")


def _require(holds: bool, what: str) -> None:  # noqa: FBT001  the condition is the whole call
    if not holds:
        raise ValueError(what)
