"""Readers of results: variants as images, the info as a document."""

import io
import json
from typing import Any

from PIL import Image

from imageworker.made_sizes import MadeSizes


def shown(made: MadeSizes, letter: str, ext: str = "jpg") -> Image.Image:
    """Return a decoded variant."""
    picture = Image.open(io.BytesIO(data_of(made, letter, ext)))
    picture.load()
    return picture


def data_of(made: MadeSizes, letter: str, ext: str = "jpg") -> bytes:
    """Return the bytes of a variant."""
    (data,) = (v.data for v in made.variants if (v.letter, v.ext) == (letter, ext))
    return data


def document(made: MadeSizes) -> dict[str, Any]:
    """Return the parsed info document."""
    return json.loads(made.info)
