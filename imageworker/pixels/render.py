"""Pixels of every size of a photo: shrunk, in sRGB, and upright, ready for any encoder."""

from dataclasses import dataclass

from PIL import Image

from imageworker.pixels.color import to_srgb
from imageworker.pixels.decode import Photo
from imageworker.pixels.resize import Choice, plan_sizes, run_plan
from volumes.sizes import Size, sizes_of

# EXIF orientation to the operation that makes the stored pixels upright.
_TRANSPOSE_OF_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPPED_ORIENTATIONS = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class RenderedSize:
    """Pixels of one size, RGB or RGBA."""

    size: Size
    pixels: Image.Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Every size of a photo in the order of the size table, a small one, and notes for the info."""

    sizes: tuple[RenderedSize, ...]
    miniature: Image.Image
    notes: tuple[str, ...]


def render_sizes(photo: Photo, sizes: tuple[Size, ...], *, choose: Choice = sizes_of) -> Rendered:
    """Render the pixels of every size of the photo that is chosen.

    Orientation is applied last, to the shrunk pixels. A central crop commutes with it.
    """
    notes: list[str] = []

    def finish(pixels: Image.Image) -> Image.Image:
        converted = to_srgb(pixels, photo.profile)
        if converted.note is not None and converted.note not in notes:
            notes.append(converted.note)
        return converted.pixels

    plan = plan_sizes(
        sizes, width=photo.width, height=photo.height, drafted=photo.drafted, choose=choose
    )
    made = {
        step.size.letter: upright(pixels, photo.metadata.orientation)
        for step, pixels in run_plan(photo.pixels, plan, finish=finish)
    }
    whole = [step.size.letter for step in plan if not step.size.square]
    if whole:
        miniature = made[whole[-1]]
    else:
        miniature = upright(finish(photo.pixels), photo.metadata.orientation)
    return Rendered(
        sizes=tuple(RenderedSize(size, made[size.letter]) for size in sizes if size.letter in made),
        miniature=miniature,
        notes=tuple(notes),
    )


def upright(pixels: Image.Image, orientation: int) -> Image.Image:
    """Apply the EXIF orientation to the pixels."""
    transpose = _TRANSPOSE_OF_ORIENTATION.get(orientation)
    return pixels if transpose is None else pixels.transpose(transpose)


def upright_dimensions(photo: Photo) -> tuple[int, int]:
    """Return the photo's width and height after EXIF orientation."""
    if photo.metadata.orientation in _SWAPPED_ORIENTATIONS:
        return photo.height, photo.width
    return photo.width, photo.height
