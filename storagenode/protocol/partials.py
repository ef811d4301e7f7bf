"""Partial uploads on the wire and on the disk: the name of a partial, and of its segments.

A partial is on the nodes that its photo belongs to, as segments that are written once. The name
contains everything that a node has to know of it, so no table is kept.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from storagenode.protocol.errors import BadRequest
from volumes.photo_id import InvalidPhotoId, PhotoId, Version, parse_photo_id, parse_version

PARTIALS = ".partials"
"""The directory below a node's root with a directory for each partial."""

_NAME = re.compile(r"(?P<photo>[^_]+)_(?P<version>[^_]+)_(?P<bytes>\d{1,12})_(?P<expiry>\d{1,12})")
_SEGMENT = re.compile(r"(?P<offset>\d{12})\.segment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """An upload that is not complete yet: its photo, its announced length, and its end."""

    photo: PhotoId
    version: Version
    bytes_total: int
    expiry_seconds: int
    """Time after which nodes remove it, in seconds since the epoch."""

    @property
    def name(self) -> str:
        """The name of the partial in URLs and on the disk."""
        return f"{self.photo}_{self.version}_{self.bytes_total}_{self.expiry_seconds}"

    @property
    def directory(self) -> str:
        """The directory with its segments, below a node's root."""
        return f"{PARTIALS}/{self.name}"

    def segment(self, offset: int) -> str:
        """Return the path of the segment that begins at this byte."""
        return f"{self.directory}/{offset:012}.segment"


def parse_partial(name: str) -> Partial:
    """Parse the name of a partial.

    Raises:
        BadRequest: The name is malformed.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise BadRequest(f"invalid partial {name!r}: must be PHOTO_VERSION_BYTES_EXPIRY")
    try:
        partial = Partial(
            photo=parse_photo_id(match["photo"]),
            version=parse_version(match["version"]),
            bytes_total=int(match["bytes"]),
            expiry_seconds=int(match["expiry"]),
        )
    except InvalidPhotoId as error:
        raise BadRequest(f"invalid partial {name!r}: {error}") from error
    if partial.name != name:
        raise BadRequest(f"invalid partial {name!r}: its numbers have leading zeros")
    return partial


def render_partials(partials: Sequence[Partial]) -> bytes:
    """Return the body of a request for several partials: their names, one a line."""
    return "\n".join(partial.name for partial in partials).encode()


def parse_partials(body: bytes) -> list[Partial]:
    """Parse the body of `render_partials`; raise as `parse_partial` does."""
    return [parse_partial(name) for name in body.decode("ascii", "replace").split("\n")]


def parse_segment(name: str) -> int | None:
    """Return the offset at which a segment begins, or None for another file."""
    match = _SEGMENT.fullmatch(name)
    return int(match["offset"]) if match else None
