"""Info document of a photo, as a value and as the bytes of its `.json`.

The bytes are canonical: keys sorted, no spaces, ASCII. `<`, `>`, and `&` are escaped, so that a
page can embed the text. The document has the time and the camera, but never the place.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from imageworker.pixels.placeholder import Placeholder

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantInfo:
    """One variant. `sha256` and `bytes` are None for variants of the second pass."""

    size: str
    ext: str
    width: int
    height: int
    bytes: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalInfo:
    """The original: its format, and its dimensions after and before EXIF orientation."""

    ext: str
    width: int
    height: int
    stored_width: int
    stored_height: int
    frames: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoInfo:
    """Fields of an info document."""

    original: OriginalInfo
    variants: tuple[VariantInfo, ...]
    second_pass: tuple[VariantInfo, ...]
    placeholder: Placeholder
    captured: str | None
    camera: str | None
    artist: str | None
    copyright: str | None
    notes: tuple[str, ...]
    recipe: str
    libraries: Mapping[str, str]


def render_info(info: PhotoInfo) -> bytes:
    """Render the info document."""
    document = {
        "camera": info.camera,
        "captured": info.captured,
        "credit": {"artist": info.artist, "copyright": info.copyright},
        "libraries": dict(info.libraries),
        "notes": list(info.notes),
        "original": {
            "bytes": info.original.bytes,
            "ext": info.original.ext,
            "frames": info.original.frames,
            "height": info.original.height,
            "sha256": info.original.sha256,
            "stored_height": info.original.stored_height,
            "stored_width": info.original.stored_width,
            "width": info.original.width,
        },
        "placeholder": {
            "blurhash": info.placeholder.blurhash,
            "color": info.placeholder.color,
            "thumbhash": info.placeholder.thumbhash,
        },
        "recipe": info.recipe,
        "second_pass": [_announced(each) for each in info.second_pass],
        "variants": [_made(each) for each in info.variants],
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    # In JSON these three characters occur only inside strings.
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text.encode("ascii")


def _announced(variant: VariantInfo) -> dict[str, object]:
    return {
        "ext": variant.ext,
        "height": variant.height,
        "size": variant.size,
        "width": variant.width,
    }


def _made(variant: VariantInfo) -> dict[str, object]:
    return _announced(variant) | {"bytes": variant.bytes, "sha256": variant.sha256}
