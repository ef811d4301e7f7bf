"""Quality of sizes, compared with one Lanczos step from the whole photo.

The limits apply to the pixels before encoding: SSIM at least 0.98, mean error below one level. The
loss of JPEG has its own limit.
"""

import io

import pytest
from PIL import Image, ImageCms

from imageworker.pixels import resampling
from imageworker.pixels.decode import decode
from imageworker.pixels.encode import encode_jpeg
from imageworker.pixels.icc_profile import ADOBE_RGB_PROFILE, DISPLAY_P3_PROFILE
from imageworker.pixels.render import Rendered, render_sizes
from imageworker.recipe import DEFAULT_RECIPE, Limits
from tests.imageworker.cmyk_profile import cmyk_profile
from tests.imageworker.lifelike import KINDS, lifelike
from tests.imageworker.photo_zoo import save
from tests.imageworker.similarity import color_shift, mean_error, ssim
from volumes.sizes import Size, full_size

SSIM_LEAST = 0.98
ERROR_LEVELS_MOST = 1.0
# SSIM of larger images would take long without more information.
WINDOW_PIXELS = 400

# One photo is large enough for Pillow's bicubic first step, one is between two sizes, one is a
# portrait.
PHOTOS = (
    ("landscape", 3456, 2592),
    ("portrait in noise", 1440, 2160),
    ("buildings and text", 2160, 1440),
    ("night sky", 1500, 1000),
)


def _rendered(data: bytes, sizes: tuple[Size, ...] = DEFAULT_RECIPE.sizes) -> Rendered:
    return render_sizes(decode(data, limits=Limits(), sizes=sizes), sizes)


def _reference(whole: Image.Image, size: Size, dimensions: tuple[int, int]) -> Image.Image:
    side = min(whole.size)
    left, top = (whole.width - side) / 2, (whole.height - side) / 2
    box = (left, top, left + side, top + side) if size.square else None
    return whole.resize(dimensions, Image.Resampling.LANCZOS, box=box)


def _middle(pixels: Image.Image) -> Image.Image:
    width, height = (min(edge, WINDOW_PIXELS) for edge in pixels.size)
    left, top = (pixels.width - width) // 2, (pixels.height - height) // 2
    return pixels.crop((left, top, left + width, top + height))


def _hold_to_the_bar(rendered: Rendered, whole: Image.Image) -> None:
    assert rendered.sizes
    for each in rendered.sizes:
        expected = _reference(whole, each.size, each.pixels.size)
        assert mean_error(each.pixels, expected) < ERROR_LEVELS_MOST, each.size
        assert ssim(_middle(each.pixels), _middle(expected)) >= SSIM_LEAST, each.size


def _opened(data: bytes) -> Image.Image:
    whole = Image.open(io.BytesIO(data))
    whole.load()
    return whole


@pytest.fixture(name="is_simd_used", params=[True, False], ids=["SIMD", "Pillow"])
def _is_simd_used(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use each resampling library in turn."""
    assert resampling.IS_SIMD_USED, "the simd extra is not installed: run make check"
    monkeypatch.setattr(resampling, "IS_SIMD_USED", request.param)


@pytest.mark.usefixtures("is_simd_used")
@pytest.mark.parametrize(("kind", "width", "height"), PHOTOS, ids=KINDS)
def test_every_size_of_a_lifelike_photo_is_as_good_as_one_lanczos_step(
    kind: str, width: int, height: int
) -> None:
    """Cascading, box filters, and the bicubic first step stay within the limits."""
    data = save(lifelike(kind, width, height), "JPEG", quality=92)
    _hold_to_the_bar(_rendered(data), _opened(data))


@pytest.mark.parametrize("kind", ["landscape", "portrait in noise"])
def test_a_jpeg_decoded_at_half_size_is_as_good(kind: str) -> None:
    """Small sizes of a large photo, decoded at half size, stay within the same limits."""
    sizes = (Size("m", 240), Size("z", 640), Size("q", 150, square=True))
    data = save(lifelike(kind, 2700, 1800), "JPEG", quality=92)
    assert decode(data, limits=Limits(), sizes=sizes).drafted == 2
    _hold_to_the_bar(_rendered(data, sizes), _opened(data))


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", DISPLAY_P3_PROFILE),
        ("RGB", ADOBE_RGB_PROFILE),
        ("CMYK", cmyk_profile()),
    ],
    ids=["Display P3", "Adobe RGB", "inks"],
)
def test_converting_color_after_shrinking_is_as_good_as_before(mode: str, profile: bytes) -> None:
    """Converting after shrinking takes a quarter of the pixels and stays within the limits."""
    pixels = lifelike("buildings and text", 2160, 1440).convert(mode)
    data = save(pixels, "TIFF", icc_profile=profile)
    whole = ImageCms.profileToProfile(
        pixels,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert whole is not None
    _hold_to_the_bar(_rendered(data), whole)


@pytest.mark.parametrize("kind", ["landscape", "buildings and text", "night sky"])
def test_jpeg_loses_little(kind: str) -> None:
    """JPEG loses almost no brightness, and does not change the mean color.

    The full size is not shrunk and keeps the noise of the photo, which JPEG smooths.
    """
    rendered = _rendered(save(lifelike(kind, 1500, 1000), "PNG"))
    full = full_size(DEFAULT_RECIPE.sizes)
    for each in rendered.sizes:
        setting = DEFAULT_RECIPE.jpeg_for(max(each.pixels.size))
        coded = _opened(encode_jpeg(each.pixels, setting, credit=b""))
        assert color_shift(coded, each.pixels) < 0.5, each.size
        brightness = [_middle(pixels.convert("L")) for pixels in (coded, each.pixels)]
        assert ssim(*brightness) > (0.93 if each.size is full else 0.97), each.size
