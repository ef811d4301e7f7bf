"""Generator of golden_paths.json: texts, and the photo file that each of them names, if any.

python tests/volumes/make_golden_paths.py

It imports no project code. It joins a valid path from parts, reads it back one character at a time
with `read_path`, and compares the two. A bad path has its reason, and `read_path` must reject it.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
EXTS = ("jpg", "png", "gif", "webp", "avif", "heic", "tif")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ATTEMPTS = "12"
KINDS = {"json": "info", "fail": "failure", "gone": "version_tombstone"}

PHOTO = "01jd3x8m2c9qp4k7"
VERSION = "3fz8qd"
NAME = f"{PHOTO}_{VERSION}"

Vector = dict[str, Any]


def main() -> int:
    """Write the file beside this script."""
    path = Path(__file__).with_name("golden_paths.json")
    path.write_text(render(), encoding="ascii")
    sys.stdout.write(f"{path.name}: {len(make_vectors())} vectors\n")
    return 0


def render() -> str:
    """Render the file with one vector per line, so that a change is a line in a diff."""
    about = "kind and parts of every path that names a photo file; why, of every text that does not"
    lines = ",\n".join(f"    {json.dumps(vector)}" for vector in make_vectors())
    return f'{{\n  "about": {json.dumps(about)},\n  "vectors": [\n{lines}\n  ]\n}}\n'


def make_vectors() -> list[Vector]:
    """Return all vectors, each path once.

    Raises:
    ValueError: The reader disagrees with a vector.
    """
    vectors: dict[str, Vector] = {}
    for vector in (*good(), *bad()):
        path = vector["path"]
        read = read_path(path)
        written = None if "why" in vector else {k: v for k, v in vector.items() if k != "path"}
        if read != written:
            raise ValueError(f"{path!r} is read as {read}, was written as {written}")
        vectors.setdefault(path, vector)
    return list(vectors.values())


def good() -> Iterator[Vector]:
    """Yield every kind of file, and the limits of every part."""
    for size in LETTERS:
        yield variant(size=size)
    for ext in EXTS:
        for size in "oms":
            yield variant(size=size, ext=ext)
    for volume in (1, 2, 9, 10, 42, 99, 100, 999, 1000, 9999, 10000, 59999, 60000, 65499, 65529,
                   65530, 65534, 65535):  # fmt: skip
        yield variant(volume=volume)
        yield tombstone(volume=volume)
    for character in ALPHABET:
        photo, version = character * 16, character * 6
        yield variant(photo=photo, version=version)
        yield note("json", photo=photo, version=version)
    for number, suffix in enumerate(KINDS):
        for volume in (1, 42, 65535):
            yield note(suffix, volume=volume)
            yield note(suffix, volume=volume, version=f"00000{number}")
    for number in (1, 2):
        for volume in (1, 42, 65535):
            yield attempt(number, volume=volume)
            yield attempt(number, volume=volume, version=f"00000{number}")
    for photo in ("0000000000000000", "zzzzzzzzzzzzzzzz", "0000000000000001", "7zzzzzzzzzzzzz0z"):
        yield tombstone(photo=photo)
        for suffix in KINDS:
            yield note(suffix, photo=photo)
        yield attempt(1, photo=photo)


def bad() -> Iterator[Vector]:
    """Yield texts similar to a photo path."""
    for path, why in (*bad_volumes(), *bad_shards(), *bad_names(), *bad_shapes(), *disguised()):
        yield {"path": path, "why": why}


def bad_volumes() -> Iterator[tuple[str, str]]:
    """Yield volume numbers that are invalid, out of range, or spelled differently."""
    for text in ("", "0", "00", "01", "042", "65536", "65540", "65600", "66000", "70000", "99999",
                 "100000", "4294967338", "18446744073709551616", "-1", "+1", "1e3", "0x2a", "4.2",
                 "4_2", "1,000", "forty", "42a", "a42", " 42", "42 ", "4 2", "\t42", "42\n", "None",
                 "\u0664\u0662", "\uff14\uff12", "\u00b2", "\u2155", ".", "..", ".hints",
                 ".trash"):  # fmt: skip
        yield f"{text}/k7/{NAME}_m.jpg", f"volume {text!r}"


def bad_shards() -> Iterator[tuple[str, str]]:
    """Yield shards that are not the last two characters of the photo."""
    for text in ("", "k", "7", "7k", "k8", "j7", "K7", "k77", "4k7", "01", "qd", "k7 ", " k7", "..",
                 ".", "k7.", "il", "k\u0667", "k7\n"):  # fmt: skip
        yield f"42/{text}/{NAME}_m.jpg", f"shard {text!r}"
        yield f"42/{text}/{PHOTO}.gone", f"shard {text!r} of a tombstone"


def bad_names() -> Iterator[tuple[str, str]]:
    """Yield invalid names in the right directory."""
    for letter in "ilouAKZ-.~\u00e9":
        yield f"42/k7/01jd3x8m2c9qp{letter}k7_{VERSION}_m.jpg", f"photo with {letter!r}"
        yield f"42/k7/{PHOTO}_3fz8q{letter}_m.jpg", f"version with {letter!r}"
        yield f"42/k7/01jd3x8m2c9qp{letter}k7.gone", f"photo of a tombstone with {letter!r}"
    for photo in (PHOTO[1:], f"0{PHOTO}", "k7", ""):
        yield f"42/k7/{photo}_{VERSION}_m.jpg", f"photo of {len(photo)} characters"
        yield f"42/k7/{photo}.gone", f"photo of {len(photo)} characters, as a tombstone"
    for version in (VERSION[1:], f"{VERSION}0", ""):
        yield f"42/k7/{PHOTO}_{version}_m.jpg", f"version of {len(version)} characters"
        yield f"42/k7/{PHOTO}_{version}.json", f"version of {len(version)} characters, as an info"
    for size in ("", "mm", "M", "1", "_", "-", " ", ".", "\u00e9", "m_", "_m"):
        yield f"42/k7/{NAME}_{size}.jpg", f"size {size!r}"
    for ext in ("", "j", "jp", "jpeg", "JPG", "Jpg", "tiff", "heif", "svg", "php", "html", "jpg2",
                "jpgg", "json", "fail", "gone", "jpg.", "jpg.php", "jpg ", "jpg\n", "volume",
                "node"):  # fmt: skip
        yield f"42/k7/{NAME}_m.{ext}", f"ext {ext!r} of a variant"
    for suffix in (*EXTS, "", "JSON", "jso", "jsonn", "gon", "Gone", "done", "json ", "gone\n"):
        yield f"42/k7/{NAME}.{suffix}", f"suffix {suffix!r} without a size"
    for number in ("0", "3", "9", "01", "11", "12", "", "-1", "a", "\u0661", "\u00b9"):
        yield f"42/k7/{NAME}_{number}.try", f"attempt {number!r}"
    for suffix in (*EXTS, "json", "fail", "gone", "TRY", "tr", "tryy", ""):
        yield f"42/k7/{NAME}_1.{suffix}", f"suffix {suffix!r} of an attempt"
    yield f"42/k7/{NAME}.try", "an attempt without a number"
    yield f"42/k7/{PHOTO}_1.try", "an attempt without a version"
    yield f"42/k7/{NAME}_m_1.try", "an attempt of a size"
    for suffix in (*EXTS, "json", "fail", "try", "", "GONE", "gone2"):
        yield f"42/k7/{PHOTO}.{suffix}", f"suffix {suffix!r} without a version"
    yield f"42/k7/{PHOTO}_m.jpg", "a size and no version"
    yield f"42/k7/{NAME}_m", "no ext"
    yield f"42/k7/{NAME}", "a stem"
    yield f"42/k7/{PHOTO}", "a photo"
    yield f"42/k7/{PHOTO}-{VERSION}-m.jpg", "dashes between the parts"
    yield f"42/k7/{PHOTO}__{VERSION}_m.jpg", "two underscores"
    yield f"42/k7/{NAME}_m..jpg", "two dots"
    yield f"42/k7/.{NAME}_m.jpg", "hidden"
    yield f"42/k7/_{NAME}_m.jpg", "an underscore first"


def bad_shapes() -> Iterator[tuple[str, str]]:
    """Yield paths with too few or too many parts."""
    name = f"{NAME}_m.jpg"
    yield from (
        ("", "nothing"),
        ("/", "a slash"),
        ("//", "two slashes"),
        ("42", "a volume"),
        ("42/", "a volume and a slash"),
        ("42/k7", "a shard"),
        ("42/k7/", "a shard and a slash"),
        (f"42/{name}", "no shard"),
        (f"k7/{name}", "no volume"),
        (name, "a name"),
        (f"/42/k7/{name}", "a slash first"),
        (f"42/k7/{name}/", "a slash last"),
        (f"42//k7/{name}", "an empty part"),
        (f"42/k7//{name}", "an empty part before the name"),
        (f"42/k7/k7/{name}", "one part more"),
        (f"7/42/k7/{name}", "one part more, first"),
        (f"42/k7/{name}/{name}", "a name below a name"),
        (f"42/k7/../k7/{name}", "up and down"),
        (f"42/./k7/{name}", "a dot"),
        (f"../42/k7/{name}", "out of the root"),
        (f"42\\k7\\{name}", "backslashes"),
        (f"42/k7\\{name}", "one backslash"),
        (f".hints/west-1/42/k7/{name}", "the place of a hint"),
        (f".trash/2026-01-01/42/k7/{name}", "a deleted file's place"),
        (f".quarantine/1.5-42_k7_{name}", "a corrupt file's place"),
        (".node", "the node's marker"),
        ("42/.volume", "a volume's marker"),
        (".staging/1f-0", "an unfinished write"),
    )


def disguised() -> Iterator[tuple[str, str]]:
    """Yield a valid path with additional characters."""
    path = f"42/k7/{NAME}_m.jpg"
    for text in ("\0", "\n", "\r\n", " ", "\t", "%00", "%2f", "?", "#", ";", "*", "~", "\x7f",
                 "\u202e", "\ufeff"):  # fmt: skip
        yield f"{path}{text}", f"{text!r} last"
        yield f"{text}{path}", f"{text!r} first"
        yield f"{path[:12]}{text}{path[12:]}", f"{text!r} inside"
    yield path.upper(), "upper case"
    yield path.replace("/", "%2f"), "escaped slashes"
    yield path.replace("0", "\uff10"), "full-width digits"
    yield f"42/k7/{NAME}_m.a.0.9RfLNocbT8gzOmeI_boBpbaO.jpg", "with a permission"
    yield f"http://photos/{path}", "a whole URL"


def variant(
    *, volume: int = 42, photo: str = PHOTO, version: str = VERSION, size: str = "m",
    ext: str = "jpg",
) -> Vector:  # fmt: skip
    """Return a variant, joined from its parts."""
    return {
        "path": f"{volume}/{photo[14:]}/{photo}_{version}_{size}.{ext}",
        "kind": "variant",
        "volume": volume,
        "photo": photo,
        "version": version,
        "size": size,
        "ext": ext,
    }


def note(
    suffix: str, *, volume: int = 42, photo: str = PHOTO, version: str = VERSION
) -> Vector:  # fmt: skip
    """Return an info, a failure, or a version's tombstone, joined from its parts."""
    return {
        "path": f"{volume}/{photo[14:]}/{photo}_{version}.{suffix}",
        "kind": KINDS[suffix],
        "volume": volume,
        "photo": photo,
        "version": version,
    }


def attempt(number: int, *, volume: int = 42, photo: str = PHOTO, version: str = VERSION) -> Vector:
    """Return a failed attempt, joined from its parts."""
    return {
        "path": f"{volume}/{photo[14:]}/{photo}_{version}_{number}.try",
        "kind": "attempt",
        "volume": volume,
        "photo": photo,
        "version": version,
        "number": number,
    }


def tombstone(*, volume: int = 42, photo: str = PHOTO) -> Vector:
    """Return a photo's tombstone, joined from its parts."""
    path = f"{volume}/{photo[14:]}/{photo}.gone"
    return {"path": path, "kind": "photo_tombstone", "volume": volume, "photo": photo}


def read_path(text: str) -> Vector | None:
    """Read a path one character at a time; return its file, or None if it is invalid."""
    reader = _Reader(text)
    volume = reader.take_while("0123456789")
    if not volume or volume[0] == "0" or len(volume) > 5 or int(volume) > 65535:
        return None
    if not reader.take("/"):
        return None
    shard = reader.take_while(ALPHABET)
    if not reader.take("/"):
        return None
    photo = reader.take_while(ALPHABET)
    if len(photo) != 16 or shard != photo[14:]:
        return None
    found: Vector = {"volume": int(volume), "photo": photo}
    if reader.rest == ".gone":
        return {"kind": "photo_tombstone", **found}
    if not reader.take("_"):
        return None
    found["version"] = reader.take_while(ALPHABET)
    if len(found["version"]) != 6:
        return None
    if reader.take("."):
        kind = KINDS.get(reader.rest)
        return None if kind is None else {"kind": kind, **found}
    if not reader.take("_"):
        return None
    number = reader.take_while("0123456789")
    if number:
        is_note = len(number) == 1 and number in ATTEMPTS and reader.rest == ".try"
        return {"kind": "attempt", **found, "number": int(number)} if is_note else None
    size = reader.take_while(LETTERS)
    if len(size) != 1 or not reader.take(".") or reader.rest not in EXTS:
        return None
    return {"kind": "variant", **found, "size": size, "ext": reader.rest}


class _Reader:
    """A text that is consumed from its beginning."""

    def __init__(self, text: str) -> None:
        self.rest = text

    def take(self, character: str) -> bool:
        """Consume the next character if it is this one; return True if so."""
        if self.rest[:1] != character:
            return False
        self.rest = self.rest[1:]
        return True

    def take_while(self, characters: str) -> str:
        """Consume and return the longest prefix of these characters."""
        taken = ""
        while self.rest and self.rest[0] in characters:
            taken += self.rest[0]
            self.rest = self.rest[1:]
        return taken


if __name__ == "__main__":
    sys.exit(main())
