"""A chilled volume: some sizes are kept by a few of its mirrors, the keepers, and by no other."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from volumes.cluster import NodeId
from volumes.photo_path import PhotoFile, Variant
from volumes.sizes import ORIGINAL_LETTER, Size, SizeClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Chill:
    """Which sizes are moved, as letters in order, and who keeps them."""

    sizes: str
    keepers: tuple[NodeId, ...]

    def moves(self, file: PhotoFile) -> bool:
        """Whether a file is kept by the keepers alone."""
        return isinstance(file, Variant) and file.size in self.sizes

    def is_kept_by(self, node: NodeId, file: PhotoFile) -> bool:
        """Whether a mirror is to have a file."""
        return node in self.keepers or not self.moves(file)


@dataclass(frozen=True, slots=True)
class Part:
    """Files of some sizes, or all the others."""

    sizes: str
    is_inside: bool

    def has(self, file: PhotoFile) -> bool:
        """Whether a file is of this part."""
        return (isinstance(file, Variant) and file.size in self.sizes) == self.is_inside


def moved_sizes(table: Iterable[Size]) -> str:
    """The letters that a chill moves: the original's, and all that are not for the web.

    >>> moved_sizes([Size("m", 240), Size("k", 2048), Size("h", 1600)])
    'hko'
    """
    large = {size.letter for size in table if size.size_class is not SizeClass.WEB}
    return "".join(sorted(large | {ORIGINAL_LETTER}))


def render_chill(chill: Chill) -> str:
    """A chill as the text of a volume's marker."""
    return json.dumps({"sizes": chill.sizes, "keepers": list(chill.keepers)})


def parse_chill(text: str | bytes) -> Chill:
    """The inverse of `render_chill`.

    Raises:
        ValueError: It is none.
    """
    try:
        fields = json.loads(text)
        sizes, keepers = str(fields["sizes"]), tuple(NodeId(str(n)) for n in fields["keepers"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a chill: {error!r}") from error
    if not (keepers and sizes.isalpha() and sizes.islower()):
        raise ValueError("a chill has sizes and keepers")
    return Chill(sizes=sizes, keepers=keepers)
