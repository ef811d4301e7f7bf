"""AVIF, turned as its container says and not as its EXIF does, which browsers ignore."""

import io

from PIL import AvifImagePlugin, _avif

from imageworker.pixels.heif_container import loops_of, with_sound_associations


class AvifReader(AvifImagePlugin.AvifImageFile):
    """An AVIF or AVIF sequence. `orientation` is that of the container, in EXIF's terms."""

    def __init__(self, original: bytes) -> None:
        self._original = with_sound_associations(original)
        self.orientation = 1
        super().__init__(io.BytesIO(self._original))
        self.info["loop"] = loops_of(original)

    def _open(self) -> None:
        # Pillow's own parses the EXIF, and fails where that is damaged.
        self._decoder = _avif.AvifDecoder(self._original, "auto", 1)
        self._size, self.n_frames, self._mode, profile, exif, self.orientation, _ = (
            self._decoder.get_info()
        )
        self.is_animated = self.n_frames > 1
        if profile:
            self.info["icc_profile"] = profile
        if exif:
            self.info["exif"] = exif
        self.seek(0)
