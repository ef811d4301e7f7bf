"""Info document of a photo as typed values.

>>> info = Info.parse({"original": {"width": 4, "height": 3}, "recipe": "1"})
>>> info.original.width, info.variants
(4, ())
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self, TypeVar

from glassplate.errors import UsageError

_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The original: its format, and its dimensions as displayed and as stored."""

    width: int
    height: int
    stored_width: int = 0
    stored_height: int = 0
    ext: str = ""
    frames: int = 1
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoVariant:
    """One size in one format. `bytes` and `sha256` are None for one of the second pass."""

    size: str
    ext: str
    width: int
    height: int
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """Preview that a page shows before the photo: a color, and two kinds of blurred pictures."""

    color: str = ""
    blurhash: str = ""
    thumbhash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Artist and copyright, as far as the photo has them."""

    artist: str | None = None
    copyright: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """Info document of a ready photo. `second_pass` are variants that are made later."""

    original: Original
    variants: tuple[InfoVariant, ...] = ()
    second_pass: tuple[InfoVariant, ...] = ()
    placeholder: Placeholder = Placeholder()
    credit: Credit = Credit()
    captured: str | None = None
    camera: str | None = None
    notes: tuple[str, ...] = ()
    recipe: str = ""

    @classmethod
    def parse(cls, document: Mapping[str, Any] | str | bytes) -> Self:
        """Parse an info document: the `info` of a status, or its JSON. Other fields are ignored.

        Raises:
            UsageError: It is not an info document.
        """
        try:
            found = json.loads(document) if isinstance(document, str | bytes) else document
            return cls(
                original=_part(Original, found["original"]),
                variants=tuple(_part(InfoVariant, each) for each in found.get("variants", ())),
                second_pass=tuple(
                    _part(InfoVariant, each) for each in found.get("second_pass", ())
                ),
                placeholder=_part(Placeholder, found.get("placeholder", {})),
                credit=_part(Credit, found.get("credit", {})),
                captured=found.get("captured"),
                camera=found.get("camera"),
                notes=tuple(found.get("notes", ())),
                recipe=found.get("recipe", ""),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"not an info document ({error!r}): pass the info of a photo that is ready"
            ) from error


def _part(kind: type[_Part], document: Mapping[str, Any]) -> _Part:
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # all are dataclasses
    return kind(**{name: value for name, value in document.items() if name in known})
