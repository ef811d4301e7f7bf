"""Looking into answers: a variant as a picture, the info as a document."""

import io
import json
from typing import Any

from PIL import Image

from imageworker.made_sizes import MadeSizes


def shown(made: MadeSizes, letter: str, ext: str = "jpg") -> Image.Image:
    """A variant decoded."""
    picture = Image.open(io.BytesIO(data_of(made, letter, ext)))
    picture.load()
    return picture


def data_of(made: MadeSizes, letter: str, ext: str = "jpg") -> bytes:
    """A variant's bytes."""
    (data,) = (v.data for v in made.variants if (v.letter, v.ext) == (letter, ext))
    return data


def document(made: MadeSizes) -> dict[str, Any]:
    """The info document, parsed."""
    return json.loads(made.info)
