"""Images like real photos: texture at every scale, edges, noise, gradients, and text."""

import functools

import numpy as np
from PIL import Image, ImageDraw

KINDS = ("landscape", "portrait in noise", "buildings and text", "night sky")


@functools.cache
def lifelike(kind: str, width: int, height: int) -> Image.Image:
    """Return an image of one kind at a size; the same every time."""
    seed = np.random.default_rng(KINDS.index(kind))
    match kind:
        case "landscape":
            samples = _landscape(seed, width, height)
        case "portrait in noise":
            samples = _gradient(width, height, (180, 130, 110), (60, 50, 90))
            samples = samples + _texture(seed, width, height, roughness=1.7)[..., None] * 30
            samples += seed.normal(0, 9, samples.shape)
        case "buildings and text":
            return _buildings(seed, width, height)
        case "night sky":
            samples = _gradient(width, height, (4, 6, 20), (40, 30, 60))
            samples = samples + seed.normal(0, 3, samples.shape)
            for _ in range(width * height // 2000):
                y, x = seed.integers(0, height), seed.integers(0, width)
                samples[y, x] = seed.uniform(120, 255)
        case _:
            raise ValueError(kind)
    return Image.fromarray(np.clip(samples, 0, 255).astype(np.uint8))


def _landscape(seed: np.random.Generator, width: int, height: int) -> np.ndarray:
    sky = _gradient(width, height, (120, 170, 230), (235, 200, 170))
    texture = _texture(seed, width, height, roughness=1.1)
    hills = _texture(seed, width, 8, roughness=1.6)[0]
    horizon = height * (0.55 + 0.06 * hills)
    is_ground = np.arange(height)[:, None] > horizon[None, :]
    ground = np.array([70, 90, 40]) + texture[..., None] * np.array([26, 30, 16])
    return np.where(is_ground[..., None], ground, sky) + seed.normal(0, 2, sky.shape)


def _buildings(seed: np.random.Generator, width: int, height: int) -> Image.Image:
    samples = _gradient(width, height, (200, 210, 220), (150, 160, 180))
    picture = Image.fromarray(samples.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(30):
        x, y = int(seed.integers(0, width)), int(seed.integers(0, height))
        w, h = int(seed.integers(width // 40, width // 6)), int(seed.integers(4, height // 3))
        draw.rectangle((x, y, x + w, y + h), fill=tuple(int(v) for v in seed.integers(0, 255, 3)))
        draw.line((x, y, x + w, y + h), fill=(20, 20, 20), width=max(1, width // 900))
        letters = max(10, height // int(seed.integers(18, 60)))
        draw.text((x, y), "Glassplate 1871", fill=(250, 240, 230), font_size=letters)
    noisy = np.asarray(picture) + seed.normal(0, 2, (height, width, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def _gradient(
    width: int, height: int, top_left: tuple[int, ...], bottom_right: tuple[int, ...]
) -> np.ndarray:
    across, down = np.linspace(0, 0.5, width), np.linspace(0, 0.5, height)
    share = (down[:, None] + across[None, :])[..., None]
    return np.array(top_left) * (1 - share) + np.array(bottom_right) * share


def _texture(seed: np.random.Generator, width: int, height: int, *, roughness: float) -> np.ndarray:
    """Return noise whose strength falls with frequency as in nature; mean 0, deviation 1."""
    spectrum = np.fft.rfft2(seed.normal(size=(height, width)))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = 1
    plane = np.fft.irfft2(spectrum / frequency**roughness, s=(height, width))
    return (plane - plane.mean()) / plane.std()
