"""A small CMYK profile, valid in form, with ink colors that differ from every naive formula."""

import itertools
import struct

# CIE Lab of each full ink. Mixtures darken like stacked filters.
INKS_IN_LAB = ((60.0, -25.0, -45.0), (50.0, 65.0, 0.0), (88.0, 0.0, 85.0), (15.0, 0.0, 0.0))
PAPER_IN_LAB = (96.0, 0.0, 0.0)

_GRID = 5


def cmyk_profile() -> bytes:
    """Return an ICC profile (version 2, printer, CMYK to Lab) with one 8-bit table."""
    tags = {
        b"desc": _description("Four made-up inks"),
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061),
        b"A2B0": _table(),
        b"A2B1": _table(),
    }
    data_at = 128 + 4 + 12 * len(tags)
    entries, data = b"", b""
    for signature, content in tags.items():
        entries += struct.pack(">4sII", signature, data_at + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    body = struct.pack(">I", len(tags)) + entries + data
    head = struct.pack(
        ">I4sI4s4s4s12s4s4sIIIQI3i48x",
        128 + len(body), b"\0" * 4, 0x02400000, b"prtr", b"CMYK", b"Lab ",
        struct.pack(">6H", 2000, 1, 1, 0, 0, 0), b"acsp", b"\0" * 4, 0, 0, 0, 0, 1,
        63190, 65536, 54061,
    )  # fmt: skip
    return head + body


def mixed(*inks: float) -> tuple[float, float, float]:
    """Return the Lab color of a mixture of inks, each 0 to 1."""
    lightness, a, b = PAPER_IN_LAB
    for share, (ink_lightness, ink_a, ink_b) in zip(inks, INKS_IN_LAB, strict=True):
        lightness *= 1 - share * (1 - ink_lightness / PAPER_IN_LAB[0])
        a, b = a * (1 - share * 0.4) + share * ink_a, b * (1 - share * 0.4) + share * ink_b
    return lightness, max(-128.0, min(127.0, a)), max(-128.0, min(127.0, b))


def _table() -> bytes:
    identity = bytes(range(256))
    steps = [step / (_GRID - 1) for step in range(_GRID)]
    colors = (mixed(*inks) for inks in itertools.product(steps, repeat=4))
    grid = bytes(
        value
        for lightness, a, b in colors
        for value in (round(lightness * 2.55), round(a + 128), round(b + 128))
    )
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    return (
        b"mft1\0\0\0\0"
        + struct.pack(">BBBB", 4, 3, _GRID, 0)
        + matrix
        + identity * 4
        + grid
        + identity * 3
    )


def _description(text: str) -> bytes:
    ascii_text = text.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(ascii_text)) + ascii_text + bytes(78)
