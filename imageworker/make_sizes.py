"""Processing of an original to the bytes of all its sizes, in this process and without I/O."""

import hashlib
from collections.abc import Iterator

from imageworker.info import OriginalInfo, PhotoInfo, VariantInfo, render_info
from imageworker.libraries import library_versions
from imageworker.made_sizes import MadeSizes, MadeVariant
from imageworker.pixels.animation import encode_animation, is_animated_at
from imageworker.pixels.decode import Photo, decode
from imageworker.pixels.encode import encode_avif, encode_jpeg, encode_webp
from imageworker.pixels.metadata import render_credit
from imageworker.pixels.placeholder import placeholder_of
from imageworker.pixels.render import Rendered, RenderedSize, render_sizes, upright_dimensions
from imageworker.recipe import Recipe
from volumes.sizes import Size, first_pass_sizes, second_pass_size, sizes_of

__all__ = ["MadeSizes", "make_second_pass", "make_sizes"]


def make_sizes(original: bytes, *, recipe: Recipe) -> MadeSizes:
    """Make all sizes of a photo and its info document: the first pass.

    Raises:
        UnprocessablePhoto: The sizes cannot be made; the error has the reason.
        MemoryError: They need more memory than is available.
    """
    photo = decode(original, limits=recipe.limits, sizes=recipe.sizes, choose=first_pass_sizes)
    rendered = render_sizes(photo, recipe.sizes, choose=first_pass_sizes)
    credit = _credit(photo, recipe)
    notes: list[str] = []
    variants = tuple(
        variant
        for each in rendered.sizes
        for variant in _encoded(original, photo, each, recipe, credit=credit, notes=notes)
    )
    info = _info(original, photo, rendered, variants, recipe, notes=notes)
    return MadeSizes(variants, render_info(info))


def make_second_pass(original: bytes, *, recipe: Recipe) -> tuple[MadeVariant, ...]:
    """Make the variants that are slow: a large full size, and AVIF. The info already lists them.

    Raises:
        UnprocessablePhoto: They cannot be made; the error has the reason.
        MemoryError: They need more memory than is available.
    """

    def choose(sizes: tuple[Size, ...], *, width: int, height: int) -> tuple[Size, ...]:
        later = second_pass_size(sizes, width=width, height=height)
        return tuple(
            size
            for size in sizes_of(sizes, width=width, height=height)
            if size is later or recipe.has_avif(size)
        )

    photo = decode(original, limits=recipe.limits, sizes=recipe.sizes, choose=choose)
    later = second_pass_size(recipe.sizes, width=photo.width, height=photo.height)
    credit = _credit(photo, recipe)
    variants: list[MadeVariant] = []
    for each in render_sizes(photo, recipe.sizes, choose=choose).sizes:
        if each.size is later:
            variants += _encoded(original, photo, each, recipe, credit=credit, notes=[])
        if recipe.avif is not None and recipe.has_avif(each.size):
            data = encode_avif(each.pixels, recipe.avif, credit=credit)
            variants.append(_variant(each, "avif", data))
    return tuple(variants)


def _encoded(
    original: bytes,
    photo: Photo,
    each: RenderedSize,
    recipe: Recipe,
    *,
    credit: bytes,
    notes: list[str],
) -> Iterator[MadeVariant]:
    setting = recipe.jpeg_for(max(each.pixels.size))
    yield _variant(each, "jpg", encode_jpeg(each.pixels, setting, credit=credit))
    if is_animated_at(each.size, photo, recipe):
        data, frames = encode_animation(original, photo, each.size, recipe, credit=credit)
        note = f"the animation ends after {frames} of {photo.frames} frames: the next is damaged"
        if frames < photo.frames and note not in notes:
            notes.append(note)
        yield _variant(each, "webp", data)
    elif recipe.webp is not None:
        yield _variant(each, "webp", encode_webp(each.pixels, recipe.webp, credit=credit))


def _variant(each: RenderedSize, ext: str, data: bytes) -> MadeVariant:
    return MadeVariant(each.size.letter, ext, data, each.pixels.width, each.pixels.height)


def _credit(photo: Photo, recipe: Recipe) -> bytes:
    return render_credit(photo.metadata) if recipe.keep_credit else b""


def _info(
    original: bytes,
    photo: Photo,
    rendered: Rendered,
    variants: tuple[MadeVariant, ...],
    recipe: Recipe,
    *,
    notes: list[str],
) -> PhotoInfo:
    width, height = upright_dimensions(photo)
    return PhotoInfo(
        original=OriginalInfo(
            ext=photo.format.ext,
            width=width,
            height=height,
            stored_width=photo.width,
            stored_height=photo.height,
            frames=photo.frames,
            bytes=len(original),
            sha256=hashlib.sha256(original).hexdigest(),
        ),
        variants=tuple(
            VariantInfo(
                size=variant.letter,
                ext=variant.ext,
                width=variant.width,
                height=variant.height,
                bytes=len(variant.data),
                sha256=hashlib.sha256(variant.data).hexdigest(),
            )
            for variant in variants
        ),
        second_pass=_second_pass(photo, recipe),
        placeholder=placeholder_of(rendered.miniature),
        captured=photo.metadata.captured,
        camera=photo.metadata.camera,
        artist=photo.metadata.artist,
        copyright=photo.metadata.copyright,
        notes=(*_notes(photo, rendered), *notes),
        recipe=recipe.version,
        libraries=library_versions(),
    )


def _second_pass(photo: Photo, recipe: Recipe) -> tuple[VariantInfo, ...]:
    """Return the variants that `make_second_pass` makes, in its order."""
    width, height = upright_dimensions(photo)
    later = second_pass_size(recipe.sizes, width=width, height=height)
    found = []
    for size in sizes_of(recipe.sizes, width=width, height=height):
        exts = []
        if size is later:
            has_webp = recipe.webp is not None or is_animated_at(size, photo, recipe)
            exts += ["jpg", "webp"] if has_webp else ["jpg"]
        if recipe.has_avif(size):
            exts.append("avif")
        made_width, made_height = size.dimensions_of(width, height)
        found += [
            VariantInfo(
                size=size.letter,
                ext=ext,
                width=made_width,
                height=made_height,
                bytes=None,
                sha256=None,
            )
            for ext in exts
        ]
    return tuple(found)


def _notes(photo: Photo, rendered: Rendered) -> tuple[str, ...]:
    notes = list(rendered.notes)
    if not photo.metadata.is_readable:
        notes.append("metadata ignored: it cannot be read")
    if photo.pixels.mode in {"RGBA", "LA"}:
        notes.append("transparency is shown on white in JPEG")
    if photo.is_hdr:
        notes.append("HDR is shown with the range of SDR")
    if photo.frames > 1:
        notes.append(f"stills show the first of {photo.frames} frames")
    return tuple(notes)
