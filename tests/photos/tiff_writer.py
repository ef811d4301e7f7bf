"""TIFF files of every layout, written from samples: bit depth, byte order, planes, compression."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, INKS, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
UNSPECIFIED, PREMULTIPLIED, ALPHA = 0, 1, 2
UNSIGNED, SIGNED, FLOAT = 1, 2, 3

_SHORT, _LONG = 3, 4
# A clear code in time for all codes to have nine bits.
_LZW_RUN = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The layout of stored samples."""

    photometric: int = BLACK_IS_ZERO
    bits: int = 8
    order: str = "<"
    planar: bool = False
    compression: int = NONE
    predictor: bool = False
    tile: int | None = None
    rows_per_strip: int = 16
    extra: tuple[int, ...] = ()
    sample_format: int = UNSIGNED
    reversed_bits: bool = False
    orientation: int | None = None
    palette: Sequence[int] | None = None
    directory_first: bool = False


def write_tiff(samples: np.ndarray, layout: Layout) -> bytes:
    """Write height x width x channels samples, each below 2 ** bits."""
    samples = samples.reshape(*samples.shape[:2], -1)
    height, width, channels = samples.shape
    pieces = [_compress(piece, layout) for piece in _pieces(samples, layout)]
    tags: dict[int, tuple[int, Sequence[int]]] = {
        256: (_LONG, [width]),
        257: (_LONG, [height]),
        258: (_SHORT, [layout.bits] * channels),
        259: (_SHORT, [layout.compression]),
        262: (_SHORT, [layout.photometric]),
        277: (_SHORT, [channels]),
        284: (_SHORT, [2 if layout.planar else 1]),
        339: (_SHORT, [layout.sample_format] * channels),
    }
    if layout.reversed_bits:
        tags[266] = (_SHORT, [2])
    if layout.orientation is not None:
        tags[274] = (_SHORT, [layout.orientation])
    if layout.predictor:
        tags[317] = (_SHORT, [2])
    if layout.palette is not None:
        tags[320] = (_SHORT, layout.palette)
    if layout.extra:
        tags[338] = (_SHORT, layout.extra)
    offsets, lengths = (273, 279) if layout.tile is None else (324, 325)
    if layout.tile is None:
        tags[278] = (_LONG, [layout.rows_per_strip])
    else:
        tags |= {322: (_LONG, [layout.tile]), 323: (_LONG, [layout.tile])}
    tags[lengths] = (_LONG, [len(piece) for piece in pieces])
    return _assemble(tags, offsets, pieces, layout)


def _assemble(
    tags: dict[int, tuple[int, Sequence[int]]], offsets: int, pieces: list[bytes], layout: Layout
) -> bytes:
    order = layout.order
    body = b"".join(pieces)
    body += b"\0" * (len(body) % 2)
    at_first = 8
    if layout.directory_first:
        size = len(_directory(tags | {offsets: (_LONG, [0] * len(pieces))}, 8, order))
        at_first += size
    starts = [at_first]
    for piece in pieces[:-1]:
        starts.append(starts[-1] + len(piece))
    tags = tags | {offsets: (_LONG, starts)}
    at = 8 if layout.directory_first else 8 + len(body)
    directory = _directory(tags, at, order)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", at)
    return head + (directory + body if layout.directory_first else body + directory)


def _directory(tags: dict[int, tuple[int, Sequence[int]]], at: int, order: str) -> bytes:
    entries, values = b"", b""
    behind = at + 2 + 12 * len(tags) + 4
    for tag, (kind, numbers) in sorted(tags.items()):
        letter = "H" if kind == _SHORT else "I"
        value = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        if len(value) > 4:
            place = struct.pack(f"{order}I", behind + len(values))
            values += value
        else:
            place = value.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + place
    return struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + values


def _pieces(samples: np.ndarray, layout: Layout) -> Iterator[np.ndarray]:
    planes = np.moveaxis(samples, 2, 0)[..., None] if layout.planar else samples[None]
    for plane in planes:
        height, width, _ = plane.shape
        if layout.tile is None:
            for top in range(0, height, layout.rows_per_strip):
                yield plane[top : top + layout.rows_per_strip]
            continue
        edge = layout.tile
        padded = np.pad(plane, ((0, -height % edge), (0, -width % edge), (0, 0)), mode="edge")
        for top in range(0, height, edge):
            for left in range(0, width, edge):
                yield padded[top : top + edge, left : left + edge]


def _compress(piece: np.ndarray, layout: Layout) -> bytes:
    if layout.predictor:
        piece = piece.copy()
        piece[:, 1:] = (piece[:, 1:] - piece[:, :-1]) % (1 << layout.bits)
    raw = _packed(piece, layout)
    match layout.compression:
        case 1:
            packed = raw
        case 8:
            packed = zlib.compress(raw)
        case 5:
            packed = _lzw(raw)
        case 32773:
            row = len(raw) // piece.shape[0]
            packed = b"".join(_packbits(raw[at : at + row]) for at in range(0, len(raw), row))
        case _:
            raise ValueError(layout.compression)
    if layout.reversed_bits:
        bits = np.unpackbits(np.frombuffer(packed, np.uint8).reshape(-1, 1), axis=1)
        packed = np.packbits(bits[:, ::-1], axis=1).tobytes()
    return packed


def _packed(piece: np.ndarray, layout: Layout) -> bytes:
    if layout.sample_format == FLOAT:
        return piece.astype(f"{layout.order}f{layout.bits // 8}").tobytes()
    if layout.bits % 8 == 0:
        letter = "i" if layout.sample_format == SIGNED else "u"
        return piece.astype(f"{layout.order}{letter}{layout.bits // 8}").tobytes()
    shifts = np.arange(layout.bits - 1, -1, -1)
    rows = (piece.reshape(piece.shape[0], -1)[..., None].astype(np.int64) >> shifts) & 1
    return np.packbits(rows.reshape(piece.shape[0], -1).astype(np.uint8), axis=1).tobytes()


def _packbits(row: bytes) -> bytes:
    return b"".join(
        bytes([len(part) - 1]) + part
        for part in (row[at : at + 128] for at in range(0, len(row), 128))
    )


def _lzw(raw: bytes) -> bytes:
    codes: list[int] = []
    for at in range(0, len(raw), _LZW_RUN):
        codes += [256, *raw[at : at + _LZW_RUN]]
    codes.append(257)
    shifts = np.arange(8, -1, -1)
    bits = (np.array(codes)[:, None] >> shifts) & 1
    return np.packbits(bits.reshape(-1).astype(np.uint8)).tobytes()
