"""A photo that a node stored lately: its line in `.recent/`, in requests, and in responses."""

import re
from dataclasses import dataclass

from storagenode.protocol.errors import BadRequest
from volumes.photo_path import PhotoVersion, parse_photo_version

RECENT = ".recent"
PAGE_PHOTOS_MAX = 1_000
LINES = re.compile(rb"(?m)^[0-9]{10} [0-9]{1,5}/[0-9a-z]{16}/[0-9a-z]{6}$")


@dataclass(frozen=True, slots=True, order=True)
class RecentPhoto:
    """A photo version and the second at which it was stored. The latest one sorts last."""

    stored_seconds: int
    reference: str

    def __str__(self) -> str:
        return f"{self.stored_seconds} {self.reference}"

    @property
    def photo_version(self) -> PhotoVersion:
        """The version that the reference names."""
        return parse_photo_version(self.reference)


def parse_recent(line: str) -> RecentPhoto:
    """Parse a line.

    >>> parse_recent("1700000000 42/01jd3x8m2c9qp4k7/3fz8qd").stored_seconds
    1700000000

    Raises:
        BadRequest: The text is not a line.
    """
    if not LINES.fullmatch(line.encode()):
        raise BadRequest(f"invalid recent photo {line!r}: must be SECOND VOLUME/PHOTO/VERSION")
    second, _, reference = line.partition(" ")
    return RecentPhoto(int(second), reference)
