"""Result of making sizes: the variants of a photo, and its info document."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MadeVariant:
    """One file to store: the letter of its size, its ext, its bytes, and its dimensions."""

    letter: str
    ext: str
    data: bytes
    width: int
    height: int

    def __repr__(self) -> str:
        return f"<{self.letter}.{self.ext} {self.width} x {self.height}, {len(self.data)} bytes>"


@dataclass(frozen=True, slots=True)
class MadeSizes:
    """Every variant of a photo, in the order of the size table, and its info document."""

    variants: tuple[MadeVariant, ...]
    info: bytes
