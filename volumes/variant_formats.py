"""What is made of photos besides a JPEG of every size, and what of their metadata goes along."""

from dataclasses import dataclass

from volumes.sizes import Size

QUALITY_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFormats:
    """The `[images]` of `cluster.toml`. As it stands: JPEG only, and the credit is kept."""

    webp: bool = False
    webp_quality: int = 82
    avif: bool = False
    avif_quality: int = 60
    avif_edge_pixels_max: int = 640
    """Of larger sizes no AVIF is made: encoding them takes minutes."""
    animation: bool = False
    animation_quality: int = 75
    keep_credit: bool = True
    """Whether artist and copyright stay in every variant. All else never does."""

    def has_avif(self, size: Size) -> bool:
        """Whether an AVIF of this size is made, some time after the photo is ready."""
        return self.avif and size.edge_pixels <= self.avif_edge_pixels_max
