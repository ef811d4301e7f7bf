"""GIF, APNG, WebP, and AVIF sequences: screens, frames, disposal, and loop counts."""

import dataclasses
import io
import itertools

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageSequence

from imageworker.make_sizes import make_sizes
from imageworker.pixels.color import to_srgb
from imageworker.pixels.decode import resizable
from imageworker.pixels.encode import on_white
from imageworker.pixels.opening import opened
from imageworker.recipe import DEFAULT_RECIPE, AnimationSetting
from storagemaster.image_header.sniff import Sniffed, sniff
from tests.imageworker.photo_zoo import moving, save
from tests.imageworker.variants import data_of, document
from tests.photos.gif_writer import CLEAR, COLORS, LEAVE, NONE, RESTORE, Frame, write_gif
from tests.photos.judge import LEVELS_MAX, levels_apart

MOVING = dataclasses.replace(DEFAULT_RECIPE, animation=AnimationSetting())
SCREENS = ((20, 16), (0, 0), (20, 0), (30, 30), (10, 10))
FIRST = (
    Frame(),
    Frame(left=5, top=4, width=10, height=8),
    Frame(left=15, top=12, width=10, height=8),
)
SECOND = (
    Frame(left=2, top=2, width=6, height=5, color=2),
    Frame(left=15, top=12, width=10, height=10, color=2),
    Frame(left=40, top=40, width=5, height=5, color=2),
    Frame(left=60_000, top=60_000, width=5, height=5, color=2),
)


def frames_by_worker(data):
    """Return every frame as the worker shows it, on white."""
    with opened(data, limits=DEFAULT_RECIPE.limits) as photo:
        frames = (
            to_srgb(resizable(photo.shown(frame).copy()), None).pixels
            for frame in ImageSequence.Iterator(photo.image)
        )
        return [np.asarray(on_white(frame).convert("RGB")) for frame in frames]


def frames_by_libvips(data):
    """Return every frame as libvips shows it, on white."""
    image = pyvips.Image.new_from_buffer(data, "", n=-1)
    height = image.get_page_height()
    if image.hasalpha():
        image = image.flatten(background=[255, 255, 255])
    pixels = image.numpy()[..., :3]
    return [pixels[at : at + height] for at in range(0, len(pixels), height)]


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("disposal", [NONE, LEAVE, CLEAR, RESTORE])
def test_frames_are_drawn_as_by_libvips(screen, disposal):
    """A frame outside of the canvas takes its time and costs nothing.

    Every specimen has a transparent color: without any, libvips paints black or the color of the
    background where browsers show the page.
    """
    for first, second, transparent in itertools.product(FIRST, SECOND, (0, 1)):
        changes = {"disposal": disposal, "transparent": transparent}
        third = Frame(left=1, top=1, width=3, height=3, color=3)
        frames = [dataclasses.replace(each, **changes) for each in (first, second, third)]
        data = write_gif(frames, screen=screen)
        shown, judged = frames_by_worker(data), frames_by_libvips(data)
        apart = [levels_apart(*pair) for pair in zip(shown, judged, strict=True)]
        assert max(apart) <= LEVELS_MAX, frames
        height, width = shown[0].shape[:2]
        assert sniff(data) == Sniffed(ext="gif", width=width, height=height)


def test_what_no_frame_covers_is_transparent():
    """As in browsers, also where no color of the file is transparent."""
    data = write_gif([Frame(left=5, top=4, width=10, height=8, disposal=CLEAR), Frame(width=2)])
    first, second = frames_by_worker(data)
    assert first[0, 0].tolist() == [255, 255, 255]
    assert first[5, 6].tolist() in [list(color) for color in COLORS]
    assert second[5, 6].tolist() == [255, 255, 255]


@pytest.mark.parametrize("screen", SCREENS)
def test_an_animation_with_a_frame_far_outside_is_made(screen):
    """The frame shows nothing, for its time."""
    frames = [Frame(), dataclasses.replace(SECOND[3], hundredths=30), Frame(color=1)]
    large = [dataclasses.replace(each, width=each.width, height=each.height) for each in frames]
    data = write_gif(large, screen=screen)
    with opened(data, limits=DEFAULT_RECIPE.limits) as photo:
        times = [frame.info["duration"] for frame in ImageSequence.Iterator(photo.image)]
    assert times == [100, 300, 100]


@pytest.mark.parametrize("recipe", [DEFAULT_RECIPE, MOVING], ids=["still", "moving"])
def test_a_damaged_frame_ends_the_animation_before_it(recipe):
    """The photo is made with or without animations, and a note says where it ends."""
    data = write_gif(
        [Frame(width=200, height=160), Frame(color=2), Frame(width=200, height=160)],
        screen=(200, 160),
    )
    made = make_sizes(data[:-3000], recipe=recipe)
    if recipe is MOVING:
        assert Image.open(io.BytesIO(data_of(made, "t", "webp"))).n_frames == 2
        notes = document(made)["notes"]
        assert "the animation ends after 2 of 3 frames: the next is damaged" in notes


@pytest.mark.parametrize("loop", [None, 0, 1, 5, 65535])
def test_a_gif_plays_as_often_as_in_browsers(loop):
    """A GIF counts repetitions, a WebP counts plays."""
    data = write_gif([Frame(width=200, height=160), Frame(color=2)], screen=(200, 160), loop=loop)
    made = Image.open(io.BytesIO(data_of(make_sizes(data, recipe=MOVING), "t", "webp")))
    expected = pyvips.Image.new_from_buffer(data, "", n=-1).get("loop")
    assert made.info["loop"] == min(expected, 65535)


@pytest.mark.parametrize(
    ("pillow_name", "loop"), [("WEBP", 0), ("WEBP", 3), ("PNG", 0), ("PNG", 3)]
)
def test_webp_and_apng_keep_their_loop_count(pillow_name, loop):
    """Both count plays."""
    first, *rest = moving(3, (200, 160))
    data = save(first, pillow_name, save_all=True, append_images=rest, duration=80, loop=loop)
    made = Image.open(io.BytesIO(data_of(make_sizes(data, recipe=MOVING), "t", "webp")))
    assert made.info["loop"] == loop


def with_edits(data, flags, segment):
    """Return an AVIF sequence with other flags and another length in its edit list."""
    at = data.index(b"elst") + 4
    version = data[at]
    size = 8 if version else 4
    return (
        data[: at + 1]
        + flags.to_bytes(3, "big")
        + data[at + 4 : at + 8]
        + segment.to_bytes(size, "big")
        + data[at + 8 + size :]
    )


def test_an_avif_sequence_keeps_its_loop_count():
    """Its edit list repeats until the track ends; browsers repeat one without an edit list."""
    first, *rest = moving(3, (200, 160))
    data = save(first, "AVIF", save_all=True, append_images=rest, duration=80)

    def loop_of(sequence):
        made = make_sizes(sequence, recipe=MOVING)
        return Image.open(io.BytesIO(data_of(made, "t", "webp"))).info["loop"]

    assert loop_of(data) == 0
    assert loop_of(with_edits(data, 0, 240)) == 1
    assert loop_of(data.replace(b"edts", b"free")) == 0
