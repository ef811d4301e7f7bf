"""AVIF, turned as its container says and not as its EXIF does, which browsers ignore."""

import io

from PIL import AvifImagePlugin, _avif

from imageworker.pixels.readers.heif_container import (
    loops_of,
    transforms_of,
    with_brand,
    with_sound_associations,
    without_exif,
)
from imageworker.pixels.readers.heif_transforms import Rectangle


class AvifReader(AvifImagePlugin.AvifImageFile):
    """An AVIF or AVIF sequence.

    `canvas` is the part of the decoded pixels that is shown, and `orientation` what then turns it,
    in EXIF's terms.
    """

    canvas: Rectangle
    orientation: int

    def __init__(self, original: bytes) -> None:
        self._original = with_sound_associations(with_brand(original, b"avif"))
        super().__init__(io.BytesIO(self._original))
        self.info["loop"] = loops_of(original)

    def _open(self) -> None:
        # Pillow's own parses the EXIF, and fails where that is damaged.
        try:
            self._decoder = _avif.AvifDecoder(self._original, "auto", 1)
        except ValueError:
            # It rejects EXIF that has no valid start, and the photo with it.
            self._decoder = _avif.AvifDecoder(without_exif(self._original), "auto", 1)
        self._size, self.n_frames, self._mode, profile, exif, _, _ = self._decoder.get_info()
        # libavif has one order for crop, turn, and mirror; the container has its own.
        self.canvas, self.orientation = transforms_of(self._original, *self._size)
        self.is_animated = self.n_frames > 1
        if profile:
            self.info["icc_profile"] = profile
        if exif:
            self.info["exif"] = exif
        self.seek(0)
