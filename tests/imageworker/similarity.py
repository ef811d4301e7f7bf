"""Similarity of two images: SSIM of Wang et al. (2004), and the mean error."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

_WINDOW = 11
_SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(one: Image.Image, other: Image.Image) -> float:
    """Return the mean structural similarity of the worst channel; 1 for equal images."""
    first, second = _samples(one), _samples(other)
    assert first.shape == second.shape, (first.shape, second.shape)
    return min(_ssim(first[..., c], second[..., c]) for c in range(first.shape[2]))


def mean_error(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference in levels over all pixels and channels."""
    return float(np.abs(_samples(one) - _samples(other)).mean())


def color_shift(one: Image.Image, other: Image.Image) -> float:
    """Return the difference of the mean colors in levels, in the worst channel."""
    return float(np.abs((_samples(one) - _samples(other)).mean(axis=(0, 1))).max())


def _samples(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), dtype=np.float64)


def _ssim(x: np.ndarray, y: np.ndarray) -> float:
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x = _blur(x * x) - mean_x**2
    variance_y = _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    alike = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    return float((alike / ((mean_x**2 + mean_y**2 + _C1) * (variance_x + variance_y + _C2))).mean())


def _blur(plane: np.ndarray) -> np.ndarray:
    window = min(_WINDOW, *plane.shape)
    at = np.arange(window) - (window - 1) / 2
    weights = np.exp(-(at**2) / (2 * _SIGMA**2))
    weights /= weights.sum()
    down = sliding_window_view(plane, window, axis=0) @ weights
    return sliding_window_view(down, window, axis=1) @ weights
