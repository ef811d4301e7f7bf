"""Formats of variants in addition to JPEG, and the metadata that variants keep."""

from dataclasses import dataclass

from volumes.sizes import Size

QUALITY_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFormats:
    """Table `[images]` of `cluster.toml`. The default is JPEG only, with the credit."""

    webp: bool = False
    webp_quality: int = 82
    avif: bool = False
    avif_quality: int = 60
    avif_edge_pixels_max: int = 640
    """Largest edge of an AVIF; encoding a larger one takes minutes."""
    animation: bool = False
    animation_quality: int = 75
    keep_credit: bool = True
    """True to keep artist and copyright in every variant. Other metadata is never kept."""
    strip_original: str = "none"
    """`gps` to store originals without positions; `none` to store them as they are uploaded."""

    def has_avif(self, size: Size) -> bool:
        """Return True if the second pass makes an AVIF of this size, after the photo is ready."""
        return self.avif and size.edge_pixels <= self.avif_edge_pixels_max
