"""Recipe: every setting that decides the bytes of a photo's sizes, and the limits of one photo.

The same original, recipe, and libraries give the same bytes. Every setting that changes the bytes
is therefore in the recipe. A change to one needs a new `version`, which every info document has. So
does a change of the code that makes other pixels from the same recipe.
"""

import hashlib
import json
from dataclasses import dataclass, field

from volumes.sizes import DEFAULT_SIZES, EDGE_PIXELS_MAX, ORIGINAL_LETTER, Size

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")

_VERSION_LENGTH_MAX = 32
_MEGABYTE = 1024 * 1024


class InvalidRecipe(ValueError):
    """The recipe contradicts itself, or has a value that no encoder supports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegSetting:
    """JPEG encoding of sizes up to an edge. Quality is libjpeg's, 1 to 100."""

    edge_pixels_max: int
    quality: int
    subsampling: str
    progressive: bool = False
    optimize: bool = False

    def __post_init__(self) -> None:
        _require(1 <= self.quality <= 100, f"JPEG quality {self.quality} is not 1 to 100")
        _require(self.subsampling in SUBSAMPLINGS, f"subsampling is one of {SUBSAMPLINGS}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebpSetting:
    """WebP encoding. Effort is libwebp's method, 0 to 6."""

    quality: int = 82
    effort: int = 4

    def __post_init__(self) -> None:
        _require(1 <= self.quality <= 100, f"WebP quality {self.quality} is not 1 to 100")
        _require(0 <= self.effort <= 6, f"WebP effort {self.effort} is not 0 to 6")


@dataclass(frozen=True, slots=True, kw_only=True)
class AvifSetting:
    """AVIF encoding in the second pass, of sizes up to an edge. Speed is libavif's, 0 to 10."""

    quality: int = 60
    speed: int = 6
    edge_pixels_max: int = 640

    def __post_init__(self) -> None:
        _require(1 <= self.quality <= 100, f"AVIF quality {self.quality} is not 1 to 100")
        _require(0 <= self.speed <= 10, f"AVIF speed {self.speed} is not 0 to 10")
        _require(self.edge_pixels_max > 0, "the largest edge of an AVIF must be above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnimationSetting:
    """Animated WebP encoding, for sizes whose frames together have at most `pixels_max` pixels.

    All frames of one size are in memory at once: at most `pixels_max` x 4 bytes.
    """

    quality: int = 75
    effort: int = 3
    pixels_max: int = 40_000_000

    def __post_init__(self) -> None:
        _require(1 <= self.quality <= 100, f"WebP quality {self.quality} is not 1 to 100")
        _require(0 <= self.effort <= 6, f"WebP effort {self.effort} is not 0 to 6")
        _require(self.pixels_max > 0, "the pixels of an animation must be above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one photo, and of the process that decodes it."""

    bytes_max: int = 200 * _MEGABYTE
    # Cameras sold as 100 megapixels produce 101.9 million pixels, and phones 108 million.
    pixels_max: int = 110_000_000
    # Frames times pixels: 30 seconds of full HD at 10 frames a second, or 1000 frames of 800 x 600.
    animation_pixels_max: int = 600_000_000
    frames_max: int = 5_000
    # Address space. A transparent PNG and a progressive CMYK JPEG of 110 megapixels need this
    # much. The WebP decoder keeps several copies; this is enough for about 80 megapixels.
    memory_bytes_max: int = 1536 * _MEGABYTE
    cpu_seconds_max: int = 20
    elapsed_seconds_max: int = 30
    # Number of open file descriptors: 0, so that the process cannot open a file or a socket.
    open_files_max: int = 0
    # All variants together: ten times the result of the default recipe for noise.
    result_bytes_max: int = 128 * _MEGABYTE

    def __post_init__(self) -> None:
        for name in self.__slots__:
            least = 0 if name == "open_files_max" else 1
            _require(getattr(self, name) >= least, f"limit {name} must be at least {least}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Settings of all encoders. A `webp`, `avif`, or `animation` of None turns the format off.

    `jpeg` is ordered from the smallest edge to the largest, and covers the largest size.
    `keep_credit` keeps a copyright notice, with the artist, in every variant.

    Raises:
        InvalidRecipe: The values contradict each other.
    """

    version: str
    sizes: tuple[Size, ...] = DEFAULT_SIZES
    jpeg: tuple[JpegSetting, ...]
    webp: WebpSetting | None = None
    avif: AvifSetting | None = None
    animation: AnimationSetting | None = None
    keep_credit: bool = True
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        _require(
            0 < len(self.version) <= _VERSION_LENGTH_MAX and self.version.isprintable(),
            f"a recipe's version is 1 to {_VERSION_LENGTH_MAX} printable characters",
        )
        _require_sound_sizes(self.sizes)
        edges = [setting.edge_pixels_max for setting in self.jpeg]
        in_order = bool(edges) and edges == sorted(set(edges))
        _require(in_order, "a recipe needs JPEG settings, ordered from small edges to large")
        largest = max(size.edge_pixels for size in self.sizes)
        _require(largest <= edges[-1], f"no JPEG setting covers {largest} pixels")

    def digest(self) -> str:
        """Return a digest of everything that decides the bytes, but the version and the limits.

        It covers a document with names of its own, so that renaming a field does not change it.
        """
        jpeg = [
            [each.edge_pixels_max, each.quality, each.subsampling, each.progressive, each.optimize]
            for each in self.jpeg
        ]
        webp, avif, animation = self.webp, self.avif, self.animation
        document = {
            "sizes": [[size.letter, size.edge_pixels, size.square] for size in self.sizes],
            "jpeg": jpeg,
            "webp": webp and [webp.quality, webp.effort],
            "avif": avif and [avif.quality, avif.speed, avif.edge_pixels_max],
            "animation": animation and [animation.quality, animation.effort, animation.pixels_max],
            "keep_credit": self.keep_credit,
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def jpeg_for(self, edge_pixels: int) -> JpegSetting:
        """Return the first setting that covers this edge."""
        return next(each for each in self.jpeg if edge_pixels <= each.edge_pixels_max)

    def has_avif(self, size: Size) -> bool:
        """Return True if the second pass makes an AVIF of this size."""
        return self.avif is not None and size.edge_pixels <= self.avif.edge_pixels_max


def _require_sound_sizes(sizes: tuple[Size, ...]) -> None:
    letters = [size.letter for size in sizes]
    _require(bool(letters), "a recipe needs at least one size")
    _require(len(letters) == len(set(letters)), "two sizes have the same letter")
    for size in sizes:
        _require(
            len(size.letter) == 1 and "a" <= size.letter <= "z" and size.letter != ORIGINAL_LETTER,
            f"{size.letter!r} cannot be the letter of a size",
        )
        _require(
            1 <= size.edge_pixels <= EDGE_PIXELS_MAX,
            f"size {size.letter!r} has an edge that is not 1 to {EDGE_PIXELS_MAX} pixels",
        )


def _require(condition: bool, message: str) -> None:  # noqa: FBT001  the condition is the whole call
    if not condition:
        raise InvalidRecipe(message)


# Measured in docs/performance.md. Small sizes cost few bytes, so they keep full color resolution.
# Huffman tables are a large part of a small file, so `optimize` pays there.
DEFAULT_RECIPE = Recipe(
    version="3",
    jpeg=(
        JpegSetting(edge_pixels_max=500, quality=92, subsampling="4:4:4", optimize=True),
        JpegSetting(edge_pixels_max=1024, quality=90, subsampling="4:4:4"),
        JpegSetting(edge_pixels_max=EDGE_PIXELS_MAX, quality=90, subsampling="4:2:0"),
    ),
)
