"""The recipe: everything that decides which bytes a photo's sizes have, and what one may cost.

Same original, same recipe, same libraries: same bytes. So whatever changes the bytes is in here,
and a change to it needs a new `version`, which every info document carries.
"""

from dataclasses import dataclass, field

from volumes.sizes import DEFAULT_SIZES, EDGE_PIXELS_MAX, ORIGINAL_LETTER, Size

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")

_VERSION_LENGTH_MAX = 32
_MEGABYTE = 1024 * 1024


class InvalidRecipe(ValueError):
    """The recipe contradicts itself, or asks for what no encoder can do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegSetting:
    """How JPEG is encoded, for sizes up to an edge. Quality is libjpeg's, 1 to 100."""

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
    """How WebP is encoded. Effort is libwebp's method, 0 to 6."""

    quality: int = 82
    effort: int = 4

    def __post_init__(self) -> None:
        _require(1 <= self.quality <= 100, f"WebP quality {self.quality} is not 1 to 100")
        _require(0 <= self.effort <= 6, f"WebP effort {self.effort} is not 0 to 6")


@dataclass(frozen=True, slots=True, kw_only=True)
class AvifSetting:
    """How AVIF is encoded in the second pass, and up to which edge. Speed is libavif's, 0 to 10."""

    quality: int = 60
    speed: int = 6
    edge_pixels_max: int = 640

    def __post_init__(self) -> None:
        _require(1 <= self.quality <= 100, f"AVIF quality {self.quality} is not 1 to 100")
        _require(0 <= self.speed <= 10, f"AVIF speed {self.speed} is not 0 to 10")
        _require(self.edge_pixels_max > 0, "the largest edge of an AVIF must be above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnimationSetting:
    """How animations are kept, as animated WebP, for sizes whose frames together are few pixels.

    All frames of one size are in memory at once: `pixels_max` x 4 bytes bounds them.
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
    """What one photo may be, and what the process that decodes it may use."""

    bytes_max: int = 200 * _MEGABYTE
    # Cameras sold as 100 megapixels make 101.9 million, telephones 108 million.
    pixels_max: int = 110_000_000
    # Frames times pixels: 30 seconds of full HD at 10 frames a second, or 1000 frames of 800 x 600.
    animation_pixels_max: int = 600_000_000
    frames_max: int = 5_000
    # Address space. A PNG of 110 megapixels with transparency needs it, and a progressive JPEG in
    # CMYK; of a WebP, whose decoder keeps several copies, it is enough for about 80.
    memory_bytes_max: int = 1536 * _MEGABYTE
    cpu_seconds_max: int = 20
    elapsed_seconds_max: int = 30
    # File descriptors it may open: none, so that it reaches no file and no network.
    open_files_max: int = 0
    # All variants together; ten times what the default recipe makes of noise.
    answer_bytes_max: int = 128 * _MEGABYTE

    def __post_init__(self) -> None:
        for name in self.__slots__:
            least = 0 if name == "open_files_max" else 1
            _require(getattr(self, name) >= least, f"limit {name} must be at least {least}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How sizes are made. `webp`, `avif` and `animation` are off where they are None.

    `jpeg` goes from the smallest edge to the largest, and covers the largest size.
    `keep_credit` decides whether artist and copyright stay in every variant.

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
        _require(in_order, "there are JPEG settings, and they go from small edges to large")
        largest = max(size.edge_pixels for size in self.sizes)
        _require(largest <= edges[-1], f"no JPEG setting covers {largest} pixels")

    def jpeg_for(self, size: Size) -> JpegSetting:
        """The setting for a size: the first that covers its edge."""
        return next(each for each in self.jpeg if size.edge_pixels <= each.edge_pixels_max)

    def has_avif(self, size: Size) -> bool:
        """Whether the second pass makes an AVIF of this size."""
        return self.avif is not None and size.edge_pixels <= self.avif.edge_pixels_max


def _require_sound_sizes(sizes: tuple[Size, ...]) -> None:
    letters = [size.letter for size in sizes]
    _require(bool(letters), "a recipe needs at least one size")
    _require(len(letters) == len(set(letters)), "a size's letter stands for one size only")
    for size in sizes:
        _require(
            len(size.letter) == 1 and "a" <= size.letter <= "z" and size.letter != ORIGINAL_LETTER,
            f"{size.letter!r} cannot be the letter of a size",
        )
        _require(
            1 <= size.edge_pixels <= EDGE_PIXELS_MAX,
            f"size {size.letter!r} has an edge that is not 1 to {EDGE_PIXELS_MAX} pixels",
        )


def _require(holds: bool, what: str) -> None:  # noqa: FBT001  the condition is the whole call
    if not holds:
        raise InvalidRecipe(what)


# Measured in docs/performance.md. Small sizes are viewed pixel by pixel and cost few bytes, so they
# keep full color resolution, and tables of their own are a large part of them.
DEFAULT_RECIPE = Recipe(
    version="1",
    jpeg=(
        JpegSetting(edge_pixels_max=500, quality=92, subsampling="4:4:4", optimize=True),
        JpegSetting(edge_pixels_max=1024, quality=90, subsampling="4:4:4"),
        JpegSetting(edge_pixels_max=EDGE_PIXELS_MAX, quality=90, subsampling="4:2:0"),
    ),
)
