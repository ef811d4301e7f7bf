"""Pillow's TIFF reader, taught the layouts that it does not know and libtiff decodes.

All pixels come from libtiff, which gives samples in the byte order of this machine. Orientation is
left to the metadata, as in every other format.
"""

import io
import itertools
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageChops, TiffImagePlugin

from imageworker.processing_errors import BrokenPhoto

_BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 258, 259, 262, 266
_OFFSETS, _LENGTHS, _SAMPLES, _PLANAR, _PREDICTOR = (273, 324), (279, 325), 277, 284, 317
_EXTRA, _SAMPLE_FORMAT = 338, 339
_KEPT_FOR_A_PLANE = (256, 257, _COMPRESSION, _FILL_ORDER, 278, _PREDICTOR, 322, 323)
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _INKS, _LAB = 0, 1, 2, 5, 8
_UNSPECIFIED, _PREMULTIPLIED, _ALPHA = 0, 1, 2
_LONG = 4
_SEPARATE = 2
_GRAYS = (_WHITE_IS_ZERO, _BLACK_IS_ZERO)
_NUMBERS = {1: "unsigned numbers", 2: "signed numbers", 3: "floating-point numbers"}
_PHOTOMETRICS = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab"}

# Not every build of libtiff has these.
_RARE_COMPRESSIONS = {
    34887: "LERC",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
}

# Two samples of 16 bits, as the four bytes that they are on this machine.
_AS_BYTES = "CMYK"


def _added_layouts() -> dict[tuple[object, ...], tuple[str, str]]:
    layouts: dict[tuple[object, ...], tuple[str, str]] = {}
    for prefix, gray in itertools.product((b"II", b"MM"), _GRAYS):
        layouts[prefix, gray, (1,), 1, (16,), ()] = ("I;16", "I;16N")
        layouts[prefix, gray, (1,), 1, (12,), ()] = ("I;16", "I;12")
        for extra in ((), (_UNSPECIFIED,), (_PREMULTIPLIED,), (_ALPHA,)):
            layouts[prefix, gray, (1,), 1, (16, 16), extra] = (_AS_BYTES, _AS_BYTES)
        layouts[prefix, gray, (1,), 1, (8, 8), ()] = ("LA", "LA")
        layouts[prefix, gray, (1,), 1, (8, 8), (_UNSPECIFIED,)] = ("L", "LX")
        layouts[prefix, gray, (1,), 1, (8, 8), (_PREMULTIPLIED,)] = ("La", "La")
        layouts[prefix, gray, (1,), 1, (8, 8), (_ALPHA,)] = ("LA", "LA")
    for prefix, extra in itertools.product((b"II", b"MM"), ((_PREMULTIPLIED,), (_ALPHA,))):
        layouts[prefix, _INKS, (1,), 1, (8,) * 5, extra] = ("CMYK", "CMYKX")
        layouts[prefix, _LAB, (1,), 1, (16, 16, 16), ()] = ("RGB", "RGB;16N")
    return layouts


TiffImagePlugin.OPEN_INFO.update(_added_layouts())  # type: ignore[arg-type]
TiffImagePlugin.READ_LIBTIFF = True


class TiffReader(TiffImagePlugin.TiffImageFile):
    """The first image of a TIFF."""

    def _setup(self) -> None:
        # libtiff has turned the bits round before Pillow sees them.
        if self.tag_v2.get(_FILL_ORDER) == 2:
            self.tag_v2[_FILL_ORDER] = 1
        try:
            super()._setup()
        except (SyntaxError, KeyError) as error:
            raise BrokenPhoto(self._describe_layout()) from error
        if self.mode in {"I", "F"}:
            raise BrokenPhoto(self._describe_layout())
        self._size = self._tile_size
        if self._is_planar and self.mode != "YCbCr" and len(self.tile) == 1:
            self._read_plane_by_plane()

    def load(self) -> Any:
        """Decode the pixels."""
        try:
            return super().load()
        except OSError as error:
            name = _RARE_COMPRESSIONS.get(self.tag_v2.get(_COMPRESSION, 1))
            if name is None:
                raise
            raise BrokenPhoto(
                f"its TIFF compression {name} is not read here; save it with LZW or Deflate"
            ) from error

    def _read_plane_by_plane(self) -> None:
        """Make the decoder copy planes: the first plane of gray, or one for each band."""
        is_deep = self.tag_v2.get(_BITS, (1,))[0] == 16
        if self._is_gray_with_extra:
            self._mode, rawmode = ("I;16", "I;16N") if is_deep else ("L", "L")
        elif self.mode in {"RGB", "RGBA", "CMYK"}:
            # Of RGBA Pillow would take an alpha without a tag for a premultiplied one.
            self._mode = _AS_BYTES if self.mode == "RGBA" else self.mode
            rawmode = f"{self.mode};16N" if is_deep else self.mode
        else:
            return
        (whole,) = self.tile
        assert isinstance(whole.args, tuple), "the arguments of libtiff's decoder"
        self.tile = [whole._replace(args=(rawmode, *whole.args[1:]))]

    def load_end(self) -> None:
        """Make of the decoded samples what they show."""
        photometric = self.tag_v2.get(_PHOTOMETRIC)
        if self._is_gray_with_extra and self._is_planar:
            with TiffReader(io.BytesIO(self._file_of_plane(1))) as extra:
                extra.load()
                self._replace(self._merge_gray(to_eight_bits(self), to_eight_bits(extra)))
        elif self._is_gray_with_extra and self.mode == _AS_BYTES:
            self._replace(self._merge_gray(self.getchannel(1), self.getchannel(3)))
        elif photometric == _RGB and self.mode == _AS_BYTES:
            is_premultiplied = self.tag_v2.get(_EXTRA, (_ALPHA,))[0] == _PREMULTIPLIED
            self._replace(Image.merge("RGBa" if is_premultiplied else "RGBA", self.split()))
        elif self.mode == "I;16":
            bits = self.tag_v2.get(_BITS, (1,))[0]
            gray = to_eight_bits(self, level_max=(1 << bits) - 1)
            self._replace(ImageChops.invert(gray) if photometric == _WHITE_IS_ZERO else gray)
        elif self._is_gray_with_extra and photometric == _WHITE_IS_ZERO and self.mode == "L":
            self._replace(ImageChops.invert(self))
        elif photometric == _WHITE_IS_ZERO and self.mode in {"LA", "La"}:
            self._replace(self._merge_gray(self.getchannel(0), self.getchannel(1)))
        elif photometric == _LAB and self.mode == "RGB":
            light, *colors = self.split()
            signed = [color.point(lambda level: level ^ 0x80) for color in colors]
            self._replace(Image.merge("LAB", (light, *signed)))

    @property
    def _is_planar(self) -> bool:
        return self.tag_v2.get(_PLANAR) == _SEPARATE

    @property
    def _is_gray_with_extra(self) -> bool:
        return self.tag_v2.get(_PHOTOMETRIC) in _GRAYS and self.tag_v2.get(_SAMPLES) == 2

    def _replace(self, pixels: Image.Image) -> None:
        self.im = pixels.im
        self._mode = pixels.mode

    def _merge_gray(self, gray: Image.Image, extra: Image.Image) -> Image.Image:
        """Return gray with its extra samples, in the sense that the tags give them."""
        extras = self.tag_v2.get(_EXTRA, (_ALPHA,))
        is_inverted = self.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
        if extras[0] == _PREMULTIPLIED:
            merged = Image.merge("La", (gray, extra)).convert("LA")
            gray = merged.getchannel(0)
        if is_inverted:
            gray = ImageChops.invert(gray)
        return gray if extras[0] == _UNSPECIFIED else Image.merge("LA", (gray, extra))

    def _file_of_plane(self, plane: int) -> bytes:
        """Return the file with a directory at its end that has one plane only."""
        assert isinstance(self._fp, io.BytesIO), "originals are opened in memory"
        original = self._fp.getvalue()
        tags = {tag: self.tag_v2[tag] for tag in _KEPT_FOR_A_PLANE if tag in self.tag_v2}
        tags |= {_BITS: self.tag_v2[_BITS][0], _PHOTOMETRIC: _BLACK_IS_ZERO, _SAMPLES: 1}
        for tag in (*_OFFSETS, *_LENGTHS):
            pieces = self.tag_v2.get(tag)
            if pieces is not None:
                share = len(pieces) // 2
                tags[tag] = pieces[plane * share : (plane + 1) * share]
        order = "<" if self.tag_v2.prefix == b"II" else ">"
        directory = _render_directory(tags, len(original), order)
        pointer = struct.pack(f"{order}I", len(original))
        return b"".join((original[:4], pointer, memoryview(original)[8:], directory))

    def _describe_layout(self) -> str:
        """Return why the pixels cannot be read, in terms of the file."""
        tags = self.tag_v2
        bits, samples = tags.get(_BITS, (1,))[0], tags.get(_SAMPLES, 1)
        kind = _NUMBERS.get(tags.get(_SAMPLE_FORMAT, (1,))[0], "samples of an unknown type")
        color = _PHOTOMETRICS.get(tags.get(_PHOTOMETRIC, 0), "an unknown color space")
        if tags.get(_COMPRESSION, 1) not in TiffImagePlugin.COMPRESSION_INFO:
            return f"its TIFF compression {tags.get(_COMPRESSION)} is not read; save it with LZW"
        return (
            f"its TIFF layout is not read: {samples} sample{'s' * (samples != 1)} of {bits}-bit "
            f"{kind} ({color}); save it as RGB with 8 or 16 bits a sample"
        )


def _render_directory(tags: Mapping[int, int | Sequence[int]], at: int, order: str) -> bytes:
    entries, values = [], []
    behind = at + 2 + 12 * len(tags) + 4
    for tag, numbers in sorted(tags.items()):
        several = numbers if isinstance(numbers, Sequence) else (numbers,)
        value = struct.pack(f"{order}{len(several)}I", *several)
        if len(several) > 1:
            values.append(value)
            value = struct.pack(f"{order}I", behind)
            behind += 4 * len(several)
        entries.append(struct.pack(f"{order}HHI", tag, _LONG, len(several)) + value)
    count = struct.pack(f"{order}H", len(tags))
    return b"".join((count, *entries, bytes(4), *values))


def to_eight_bits(gray: Image.Image, *, level_max: int = 0xFFFF) -> Image.Image:
    """Return gray as 8 bits. `level_max` is the white of gray with more bits."""
    if gray.mode.startswith("I;16"):
        return gray.point(lambda level: level * (255 / level_max) + 0.5).convert("L")
    return gray.convert("L")
