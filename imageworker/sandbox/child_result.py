"""Wire format of a child's result.

The child has decoded an untrusted file, so the parser trusts nothing in its result. The header is
JSON, every number is checked against the recipe and the received bytes, and every variant must
begin like its declared format.
"""

import json
from typing import Any

from imageworker.made_sizes import MadeSizes, MadeVariant
from imageworker.pixels.formats import format_of
from imageworker.processing_errors import KINDS, DecoderCrashed, UnprocessablePhoto
from imageworker.recipe import Recipe
from volumes.sizes import EDGE_PIXELS_MAX

HEADER_BYTES_MAX = 65_536

_LENGTH_BYTES = 4


def render_result(result: MadeSizes | UnprocessablePhoto) -> bytes:
    """Render a result: the length of a JSON header, the header, the info, and the variants."""
    if isinstance(result, UnprocessablePhoto):
        return _framed({"kind": result.kind, "reason": result.reason})
    variants = [[v.letter, v.ext, v.width, v.height, len(v.data)] for v in result.variants]
    header = _framed({"info_bytes": len(result.info), "variants": variants})
    return b"".join([header, result.info, *(variant.data for variant in result.variants)])


def parse_result(data: bytes, *, recipe: Recipe) -> MadeSizes:
    """Parse what `render_result` returns.

    Raises:
        UnprocessablePhoto: The child reported this error instead of sizes.
        DecoderCrashed: The result is malformed, or does not match the recipe.
    """
    try:
        result = _parse(data, recipe)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DecoderCrashed("the decoder returned a malformed result") from error
    if isinstance(result, UnprocessablePhoto):
        raise result
    return result


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


def _parse_sizes(header: dict[str, Any], body: bytes, recipe: Recipe) -> MadeSizes:
    at = int(header["info_bytes"])
    info = body[:at]
    _require(not info or isinstance(json.loads(info), dict), "the info is not a document")
    variants = []
    for letter, ext, width, height, length in header["variants"]:
        _require(type(length) is int and length > 0, "a variant has no length")
        variants.append(MadeVariant(letter, ext, body[at : at + length], width, height))
        _require_requested(variants[-1], recipe)
        at += length
    _require(at == len(body), "the lengths do not add up")
    return MadeSizes(tuple(variants), info)


def _require_requested(variant: MadeVariant, recipe: Recipe) -> None:
    edges = (variant.width, variant.height)
    photo_format = format_of(variant.data)
    _require(any(variant.letter == size.letter for size in recipe.sizes), "unknown size")
    _require(
        photo_format is not None and photo_format.ext == variant.ext, "not the declared format"
    )
    _require(all(type(e) is int and 1 <= e <= EDGE_PIXELS_MAX for e in edges), "edge out of range")


def _require(condition: bool, message: str) -> None:  # noqa: FBT001  the condition is the whole call
    if not condition:
        raise ValueError(message)
