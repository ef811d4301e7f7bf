"""Markup of one photo: attributes of an `<img>`, and a `<picture>` with every format.

Browsers take the first format that they know, and then the smallest file that is wide enough. A
format is therefore offered only if it has the widest size. A variant of the second pass may not
exist yet, and a browser that gets 404 shows nothing, so those are offered only on request.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from glassplate.errors import UsageError
from glassplate.markup.html import Html, attributes
from glassplate.markup.info import Info, InfoVariant

LOADING = ("lazy", "eager")
FALLBACK_EDGE_PIXELS_MAX = 1024
"""Largest `src`, for programs that do not know `srcset`."""

# Formats of sizes, the smallest files first.
_MEDIA_TYPES = {"avif": "image/avif", "webp": "image/webp", "jpg": "image/jpeg"}
_ATTRIBUTE_NAME = re.compile("[a-z][a-z0-9-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Sizes and formats that a page offers of a photo.

    `sizes` is the attribute of that name: how wide the page shows the photo. `width_max` leaves
    out wider sizes. `second_pass` offers variants that may not be made yet. `extra` are more
    attributes of the `<img>`, such as a class.
    """

    sizes: str = "100vw"
    width_max: int | None = None
    loading: str = "lazy"
    second_pass: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.loading not in LOADING:
            raise UsageError(f"unknown loading {self.loading!r}: use lazy or eager")
        for name in self.extra:
            if not _ATTRIBUTE_NAME.fullmatch(name) or name in _OWN_ATTRIBUTES:
                raise UsageError(f"{name!r} cannot be an extra attribute of an image")


_OWN_ATTRIBUTES = {"src", "srcset", "sizes", "width", "height", "loading", "alt"}


def image_attributes(info: Info, urls: Mapping[str, str], choice: Choice) -> Html:
    """Return `src`, `srcset`, `sizes`, `width`, and `height` of an `<img>`, all in JPEG.

    `urls` are the permission URLs of the photo's sizes in JPEG by letter, as in a status.

    Raises:
        UsageError: The photo has no size with a URL.
    """
    return attributes(_image(_offered(info, urls, choice)["jpg"], urls, choice))


def picture(info: Info, urls: Mapping[str, str], *, alt: str, choice: Choice) -> Html:
    """Return a `<picture>` of a photo. `alt` describes it for those who do not see it.

    Raises:
        UsageError: The photo has no size with a URL.
    """
    offered = _offered(info, urls, choice)
    sources = [
        Html(f"<source {attributes(_source(ext, variants, urls, choice))}>")
        for ext, variants in offered.items()
        if ext != "jpg"
    ]
    image = {
        **_image(offered["jpg"], urls, choice),
        "loading": choice.loading,
        "alt": alt,
        **choice.extra,
    }
    return Html("<picture>" + "".join(sources) + f"<img {attributes(image)}></picture>")


def _source(
    ext: str, variants: list[InfoVariant], urls: Mapping[str, str], choice: Choice
) -> dict[str, object]:
    srcset = _srcset(variants, urls)
    return {"type": _MEDIA_TYPES[ext], "srcset": srcset, "sizes": choice.sizes}


def _image(
    variants: list[InfoVariant], urls: Mapping[str, str], choice: Choice
) -> dict[str, object]:
    small = [each for each in variants if max(each.width, each.height) <= FALLBACK_EDGE_PIXELS_MAX]
    fallback = small[-1] if small else variants[0]
    return {
        "src": _url(fallback, urls),
        "srcset": _srcset(variants, urls),
        "sizes": choice.sizes,
        "width": fallback.width,
        "height": fallback.height,
    }


def _srcset(variants: list[InfoVariant], urls: Mapping[str, str]) -> str:
    return ", ".join(f"{_url(each, urls)} {each.width}w" for each in variants)


def _url(variant: InfoVariant, urls: Mapping[str, str]) -> str:
    """Return the URL of a variant: that of its JPEG with another ending, safe in a srcset."""
    url = urls[variant.size].removesuffix("jpg") + variant.ext
    return url.replace(" ", "%20").replace(",", "%2C")


def _offered(info: Info, urls: Mapping[str, str], choice: Choice) -> dict[str, list[InfoVariant]]:
    """Return the variants to offer by format, best format first, each from narrow to wide."""
    listed = info.variants + (info.second_pass if choice.second_pass else ())
    widths: dict[str, dict[int, InfoVariant]] = {ext: {} for ext in _MEDIA_TYPES}
    for each in listed:
        fits = choice.width_max is None or each.width <= choice.width_max
        if each.size in urls and each.ext in widths and fits and _shows_all(each, info):
            widths[each.ext].setdefault(each.width, each)
    if not widths["jpg"]:
        raise UsageError(
            "the photo has no size to show: none is made, none has a URL, or width_max is below all"
        )
    widest = max(widths["jpg"])
    return {
        ext: [found[width] for width in sorted(found)]
        for ext, found in widths.items()
        if found and max(found) >= widest
    }


def _shows_all(variant: InfoVariant, info: Info) -> bool:
    """Return True if the variant shows the whole photo. A square can be cut from it."""
    scale = max(variant.width, variant.height) / max(info.original.width, info.original.height)
    return (
        abs(variant.width - info.original.width * scale) <= 1
        and abs(variant.height - info.original.height * scale) <= 1
    )
