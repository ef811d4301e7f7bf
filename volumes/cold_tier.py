"""A chilled volume: some sizes are kept by a few of its mirrors, the keepers, and by no other."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from volumes.cluster import NodeId
from volumes.photo_path import PhotoFile, Variant
from volumes.sizes import ORIGINAL_LETTER, Size, SizeClass


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdTier:
    """Which sizes are moved, as letters in order, and who keeps them."""

    sizes: str
    cold_nodes: tuple[NodeId, ...]

    def covers(self, file: PhotoFile) -> bool:
        """Whether a file is kept by the keepers alone."""
        return isinstance(file, Variant) and file.size in self.sizes

    def belongs_on(self, node: NodeId, file: PhotoFile) -> bool:
        """Whether a mirror is to have a file."""
        return node in self.cold_nodes or not self.covers(file)


@dataclass(frozen=True, slots=True)
class SizeFilter:
    """Files of some sizes, or all the others."""

    sizes: str
    include: bool

    def matches(self, file: PhotoFile) -> bool:
        """Whether a file is of this part."""
        return (isinstance(file, Variant) and file.size in self.sizes) == self.include


def cold_sizes(table: Iterable[Size]) -> str:
    """The letters that a chill moves: the original's, and all that are not for the web.

    >>> cold_sizes([Size("m", 240), Size("k", 2048), Size("h", 1600)])
    'hko'
    """
    large = {size.letter for size in table if size.size_class is not SizeClass.WEB}
    return "".join(sorted(large | {ORIGINAL_LETTER}))


def render_cold_tier(cold_tier: ColdTier) -> str:
    """A chill as the text of a volume's marker."""
    return json.dumps({"sizes": cold_tier.sizes, "cold_nodes": list(cold_tier.cold_nodes)})


def parse_cold_tier(text: str | bytes) -> ColdTier:
    """The inverse of `render_cold_tier`.

    Raises:
        ValueError: It is none.
    """
    try:
        fields = json.loads(text)
        sizes = str(fields["sizes"])
        cold_nodes = tuple(NodeId(str(node)) for node in fields["cold_nodes"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a chill: {error!r}") from error
    if not (cold_nodes and sizes.isalpha() and sizes.islower()):
        raise ValueError("a chill has sizes and keepers")
    return ColdTier(sizes=sizes, cold_nodes=cold_nodes)
