"""The pixels of every size of a photo: shrunk, in sRGB and upright, ready for any encoder."""

from dataclasses import dataclass

from PIL import Image

from imageworker.pixels.color import to_srgb
from imageworker.pixels.decode import Photo
from imageworker.pixels.resize import plan_sizes, run_plan
from volumes.sizes import Size

# EXIF's orientation, and what turns the stored pixels upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_THEIR_SIDE = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class RenderedSize:
    """One size's pixels, RGB or RGBA."""

    size: Size
    pixels: Image.Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Every size a photo gets, in the order of the size table; a small one; what to remark on."""

    sizes: tuple[RenderedSize, ...]
    miniature: Image.Image
    notes: tuple[str, ...]


def render_sizes(photo: Photo, sizes: tuple[Size, ...]) -> Rendered:
    """The pixels of every size of the photo.

    Turning comes last, on the small ones: a crop from the middle is the same either way up.
    """
    notes: list[str] = []

    def finish(pixels: Image.Image) -> Image.Image:
        converted = to_srgb(pixels, photo.profile)
        if converted.note is not None and converted.note not in notes:
            notes.append(converted.note)
        return converted.pixels

    plan = plan_sizes(sizes, width=photo.width, height=photo.height, drafted=photo.drafted)
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
    """The pixels turned and mirrored as EXIF's orientation says they are to be seen."""
    turn = _TURNS.get(orientation)
    return pixels if turn is None else pixels.transpose(turn)


def upright_dimensions(photo: Photo) -> tuple[int, int]:
    """The photo's width and height as it is to be seen."""
    if photo.metadata.orientation in _ON_THEIR_SIDE:
        return photo.height, photo.width
    return photo.width, photo.height
