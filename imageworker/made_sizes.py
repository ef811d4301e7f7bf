"""What making sizes comes to: the variants of a photo and its info, as values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MadeVariant:
    """One file to be stored: the letter of its size, its ext, its bytes and its dimensions."""

    letter: str
    ext: str
    data: bytes
    width: int
    height: int

    def __repr__(self) -> str:
        return f"<{self.letter}.{self.ext} {self.width} x {self.height}, {len(self.data)} bytes>"


@dataclass(frozen=True, slots=True)
class MadeSizes:
    """Every variant of a photo, in the order of the size table, and the bytes of its info."""

    variants: tuple[MadeVariant, ...]
    info: bytes
