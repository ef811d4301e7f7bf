"""Volume maps on a node: the one that it votes for, and the ones in force, each written once."""

import re
from enum import StrEnum

from storagenode.protocol.errors import BadRequest

MAPS = ".maps"
"""The directory below a node's root with the maps."""

_NAME = re.compile(r"([0-9]{8})\.(vote|in-force)\.toml")


class MapKind(StrEnum):
    """The reason why a node keeps a map."""

    VOTE = "vote"
    """The node votes for it: it will keep no other map of the version."""
    IN_FORCE = "in-force"
    """More than half of the nodes of the version before it voted for it."""


def map_path(kind: MapKind, version: int) -> str:
    """Return the path of a map below a node's root.

    >>> map_path(MapKind.VOTE, 43)
    '.maps/00000043.vote.toml'
    """
    return f"{MAPS}/{version:08}.{kind}.toml"


def parse_map_name(name: str) -> tuple[MapKind, int] | None:
    """Return the kind and version of a file of the directory, or None for another file."""
    match = _NAME.fullmatch(name)
    return (MapKind(match[2]), int(match[1])) if match else None


def parse_kind(text: str) -> MapKind:
    """Parse the kind of a map.

    Raises:
        BadRequest: The kind is unknown.
    """
    try:
        return MapKind(text)
    except ValueError as error:
        known = ", ".join(MapKind)
        raise BadRequest(f"unknown kind {text!r} of a map; known kinds: {known}") from error
