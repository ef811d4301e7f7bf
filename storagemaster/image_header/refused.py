"""Reasons why an upload is refused: the format that its bytes look like, for a person."""

import codecs
import re

_BY_PREFIX = (
    (b"%PDF-", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"8BPS", "a Photoshop document"),
    (b"BM", "BMP"),
    (b"\0\0\1\0", "a Windows icon"),
    (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL \r\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
    (b"IIRO", "a camera raw file (ORF)"),
    (b"IIU\0", "a camera raw file (RW2)"),
    (b"FUJIFILMCCD-RAW", "a camera raw file (RAF)"),
    (b"FOVb", "a camera raw file (X3F)"),
    (b"RIFF", "sound or video (RIFF)"),
    (b"\x1aE\xdf\xa3", "a video (WebM or Matroska)"),
    (b"ID3", "sound (MP3)"),
    (b"OggS", "sound or video (Ogg)"),
    (b"PK\3\4", "a ZIP archive"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_MARKUP = (
    (re.compile(rb"<svg[\s>:]|<!doctype\s+svg", re.IGNORECASE), "SVG"),
    (re.compile(rb"<!doctype\s+html|<html|<head|<body|<script", re.IGNORECASE), "HTML"),
    (re.compile(rb"\A<\?xml"), "XML"),
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ENCODED = re.compile(rb"\A(data:|/9j/|iVBORw0KGgo|R0lGOD|UklGR)")
_MULTIPART = re.compile(rb"\A--[\x21-\x7e]+\r\n[Cc]ontent-")
_CONTROL = re.compile(rb"[^\t\n\f\r\x20-\x7e\x80-\xff]")


def refusal_reason(head: bytes) -> str:
    """Return why an upload that begins with these bytes is refused, for a person."""
    if not head:
        return "the upload is empty"
    if not head.strip(b"\0"):
        return "the bytes are all zero"
    if _MULTIPART.match(head):
        return "the body is a multipart form, but its Content-Type does not say so"
    if _ENCODED.match(head):
        return "the bytes look like a photo written as base64 text; send the bytes themselves"
    looks_like = _looks_like(head)
    if looks_like is None:
        return "the bytes begin like no photo of a known format"
    return f"the bytes look like {looks_like}, which is not accepted"


def _looks_like(head: bytes) -> str | None:
    for prefix, name in _BY_PREFIX:
        if head.startswith(prefix):
            return name
    text = head.removeprefix(_BYTE_ORDER_MARK).lstrip()
    for pattern, name in _MARKUP:
        if text.startswith(b"<") and pattern.search(text):
            return name
    return "text" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    try:
        # An incremental decoder accepts a head that ends within a character.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(head) is None
