"""The photo in a multipart form: its first file, whatever the client calls that file."""

import re
from collections.abc import AsyncIterator

from aiohttp import BodyPartReader, MultipartReader
from aiohttp.http import HttpProcessingError

from storagemaster.errors import BadArgument, LengthMismatch

CHUNK_BYTES = 64 * 1024
TICKET_FIELD = "ticket"
PHOTO_FIELD = "photo"
"""The name of a field that is the photo, also without a file name."""

# A quoted string of RFC 9110, or anything up to the next semicolon. Browsers send a backslash
# without escaping it, so the closing quote of a name that ends with one is missing.
_PARAMETER = re.compile(
    r';[ \t]*(?P<name>[^\s=;"]+)[ \t]*='
    r'[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*)(?:"|\\?$)|(?P<bare>[^;"]*))'
)
_ESCAPED = re.compile(r"\\(.)")


async def first_field(form: MultipartReader, name: str, *, bytes_max: int) -> bytes | None:
    """Return the first field of a form, up to a little above `bytes_max`; None if it is another.

    Raises:
        BadArgument: The form is malformed.
    """
    text = bytearray()
    try:
        part = await form.next()
        if not isinstance(part, BodyPartReader) or name_of(part) != name:
            return None
        # A chunk can end anywhere, as the client's packets do.
        while len(text) < bytes_max and (chunk := await part.read_chunk(bytes_max)):
            text += chunk
    except (ValueError, HttpProcessingError) as error:
        raise BadArgument(f"malformed form: {error}") from error
    return bytes(text)


async def first_file(form: MultipartReader) -> AsyncIterator[bytes]:
    """Yield the chunks of the first file of a form.

    Raises:
        BadArgument: The form is malformed, or has no file.
        LengthMismatch: The form ends within the file.
    """
    try:
        async for part in form:
            if isinstance(part, BodyPartReader) and is_file(
                part.headers.get("Content-Disposition", "")
            ):
                while chunk := await part.read_chunk(CHUNK_BYTES):
                    yield chunk
                if not part.at_eof():
                    raise LengthMismatch("the form ends before its closing boundary")
                return
    except (ValueError, HttpProcessingError) as error:
        raise BadArgument(f"malformed form: {error}") from error
    raise BadArgument("the form has no file; send one, as in curl -F photo=@cat.jpg")


def name_of(part: BodyPartReader) -> str | None:
    """Return the name of a field."""
    return parse_parameters(part.headers.get("Content-Disposition", "")).get("name")


def is_file(disposition: str) -> bool:
    """Return True if a part with this Content-Disposition is a file, or is called `photo`."""
    parameters = parse_parameters(disposition)
    names = (parameters.get("filename"), parameters.get("filename*"))
    return any(names) or parameters.get("name") == PHOTO_FIELD


def parse_parameters(disposition: str) -> dict[str, str]:
    r"""Return the parameters of a Content-Disposition, without decoding extended ones.

    >>> parse_parameters(r'form-data; name="photo"; filename="a;b;\"c\".jpg"')
    {'name': 'photo', 'filename': 'a;b;"c".jpg'}
    """
    parameters: dict[str, str] = {}
    for match in _PARAMETER.finditer(disposition):
        quoted, bare = match["quoted"], match["bare"]
        value = bare.strip() if quoted is None else _ESCAPED.sub(r"\1", quoted)
        parameters.setdefault(match["name"].lower(), value)
    return parameters
