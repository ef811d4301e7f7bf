"""Cold tier of an offloaded volume: only its cold nodes store the large sizes."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from volumes.cluster import NodeId
from volumes.json_text import parse_json
from volumes.photo_path import PhotoFile, Variant
from volumes.sizes import ORIGINAL_LETTER, Size, SizeClass


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdTier:
    """Offloaded sizes, as letters in order, and the mirrors that store them."""

    sizes: str
    cold_nodes: tuple[NodeId, ...]

    def covers(self, file: PhotoFile) -> bool:
        """Return True if only the cold nodes store the file."""
        return isinstance(file, Variant) and file.size in self.sizes

    def belongs_on(self, node: NodeId, file: PhotoFile) -> bool:
        """Return True if this mirror must store the file."""
        return node in self.cold_nodes or not self.covers(file)


@dataclass(frozen=True, slots=True)
class SizeFilter:
    """Filter for the files of some sizes, or for all other files."""

    sizes: str
    include: bool

    def matches(self, file: PhotoFile) -> bool:
        """Return True if the file passes the filter."""
        return (isinstance(file, Variant) and file.size in self.sizes) == self.include


def cold_sizes(table: Iterable[Size]) -> str:
    """Return the letters of the sizes to offload: the original, and all sizes above the web class.

    >>> cold_sizes([Size("m", 240), Size("k", 2048), Size("h", 1600)])
    'hko'
    """
    large = {size.letter for size in table if size.size_class is not SizeClass.WEB}
    return "".join(sorted(large | {ORIGINAL_LETTER}))


def render_cold_tier(cold_tier: ColdTier) -> str:
    """Render the text of a volume's cold tier marker."""
    return json.dumps({"sizes": cold_tier.sizes, "cold_nodes": list(cold_tier.cold_nodes)})


def parse_cold_tier(text: str | bytes) -> ColdTier:
    """Parse what `render_cold_tier` returns.

    Raises:
        ValueError: The text is not a valid cold tier.
    """
    try:
        fields = parse_json(text)
        sizes = str(fields["sizes"])
        cold_nodes = tuple(NodeId(str(node)) for node in fields["cold_nodes"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"invalid cold tier: {error!r}") from error
    if not (cold_nodes and sizes.isalpha() and sizes.islower()):
        raise ValueError("invalid cold tier: it needs sizes and cold nodes")
    return ColdTier(sizes=sizes, cold_nodes=cold_nodes)
