"""Generator of golden_urls.json: request targets and the verdict of every verifier.

python tests/permission_urls/make_golden_urls.py

It imports no project code except the reference verifier beside it. Each hand-written case has its
verdict here, and the script compares it with the reference. Labels such as U22 and K65 are the
groups of bad inputs of the project's security tests. Cases whose label begins with "clock" need a
verifier's clock at exactly `now`; all other cases are valid at any time after `now`, until the year
2106.
"""

import base64
import hashlib
import hmac
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reference_verifier import EXTS, derive_read_key, judge, make_mac, restrict

NOW = 1_700_000_000
SIZE_CLASSES = (
    dict.fromkeys("sqtmnwdzcb", "web") | dict.fromkeys("hkx", "large") | {"o": "original"}
)
STATES = {"old": "retired", "b2": "accepted", "9zzz": "accepted", "a": "signing"}
SECRETS = {key_id: hashlib.sha256(f"golden {key_id}".encode()).digest() for key_id in STATES}
DERIVED = {key_id: derive_read_key(secret) for key_id, secret in SECRETS.items()}
READ_KEYS = {key_id: DERIVED[key_id] for key_id in STATES if STATES[key_id] != "retired"}

STEM = "42/k7/01jd3x8m2c9qp4k7_3fz8qd"
OTHER_STEM = "42/k8/01jd3x8m2c9qp4k8_3fz8qd"
OTHER_VERSION = "42/k7/01jd3x8m2c9qp4k7_4fz8qd"
EXT_NAMES = tuple(ext.decode() for ext in EXTS)
FAR = ("0", "ffffffff", "174876e800", "ffffffffff")
PERMANENT = "0"

Case = tuple[str, str, str]
"""A request target as Latin-1, its verdict, and the reason."""

ABOUT = [
    "Each url is a raw request target: its characters are bytes, in Latin-1.",
    "verdict ok comes with the photo path; 400 and 403 are HTTP statuses.",
    "Some targets cannot be sent in a request line as they are: targets with a byte below 0x21 or",
    "0x7f, or do not begin with a slash. A server may refuse or rewrite them by itself.",
    "A why that begins with 'clock' needs a clock that says exactly now; the others do not.",
]


def main() -> int:
    """Write the file beside this script."""
    path = Path(__file__).with_name("golden_urls.json")
    path.write_text(render(), encoding="ascii")
    sys.stdout.write(f"{path.name}: {len(make_vectors())} vectors\n")
    return 0


def render() -> str:
    """Render the file with one vector per line, so that a change is a line in a diff."""
    head = {
        "about": ABOUT,
        "now": NOW,
        "keys": [
            {"id": key_id, "secret": SECRETS[key_id].hex(), "state": state}
            for key_id, state in STATES.items()
        ],
        "read_keys": {key_id: key.hex() for key_id, key in READ_KEYS.items()},
        "size_classes": SIZE_CLASSES,
    }
    lines = ",\n".join(f"    {json.dumps(vector)}" for vector in make_vectors())
    return f'{json.dumps(head, indent=2)[:-2]},\n  "vectors": [\n{lines}\n  ]\n}}\n'


def make_vectors() -> list[dict[str, Any]]:
    """Return all vectors, each target once.

    Raises:
    ValueError: The reference disagrees with the verdict in this script.
    """
    vectors: dict[str, dict[str, Any]] = {}
    for url, verdict, why in cases():
        judged, path = judge(
            url.encode("latin-1"), now=NOW, read_keys=READ_KEYS, size_classes=SIZE_CLASSES
        )
        if judged != verdict:
            raise ValueError(f"{why}: {url!r} is {judged}, not {verdict}")
        vector = {"url": url, "now": NOW, "verdict": verdict, "path": path, "why": why}
        if path is None:
            del vector["path"]
        vectors.setdefault(url, vector)
    return list(vectors.values())


def cases() -> Iterator[Case]:
    """Return every case, valid ones first."""
    yield from every_size_and_ext()
    yield from every_key_and_expiry()
    yield from edges_of_the_grammar()
    yield from forbidden_bytes()
    yield from strange_paths()
    yield from strange_permissions()
    yield from permissions_of_others()
    yield from restricted_keys()
    yield from cut_and_flipped()
    yield from clocks()


def signed(
    stem: str = STEM, *, size: str = "m", key_id: str = "a", expiry: str = PERMANENT,
    ext: str = "jpg", size_class: str | None = None, key: bytes | None = None,
) -> str:  # fmt: skip
    """Return a URL with a valid MAC, unless a class or a key is overridden."""
    name, _, restriction = key_id.partition("-")
    own = DERIVED.get(name, b"no key's")
    mac = make_mac(
        key or (restrict(own, restriction) if restriction else own),
        expiry=expiry,
        stem=stem,
        size_class=size_class or SIZE_CLASSES.get(size, "web"),
    )
    return f"/{stem}_{size}.{key_id}.{expiry}.{mac}.{ext}"


def mac_of(url: str) -> str:
    """Return the MAC of a valid URL."""
    return url.split(".")[-2]


def every_size_and_ext() -> Iterator[Case]:
    """Yield each size in each format, with alternating keys and expiries."""
    key_ids = tuple(READ_KEYS)
    for number, (size, ext) in enumerate((s, e) for s in SIZE_CLASSES for e in EXT_NAMES):
        key_id, expiry = key_ids[number % len(key_ids)], FAR[number % len(FAR)]
        url = signed(size=size, ext=ext, key_id=key_id, expiry=expiry)
        yield url, "ok", f"size {size} as {ext}, key {key_id}, expiry {expiry}"


def every_key_and_expiry() -> Iterator[Case]:
    """Yield each key with each expiry, in each class."""
    for key_id in READ_KEYS:
        for expiry in FAR:
            for size in "mko":
                url = signed(size=size, key_id=key_id, expiry=expiry)
                yield url, "ok", f"key {key_id}, expiry {expiry}, class {SIZE_CLASSES[size]}"


def edges_of_the_grammar() -> Iterator[Case]:
    """Yield the first and last allowed values, and the first forbidden ones."""
    photo = "k7/01jd3x8m2c9qp4k7_3fz8qd"
    for volume in (1, 9, 10, 99, 100, 999, 1000, 9999, 10000, 59999, 60000, 64999, 65000, 65499,
                   65500, 65529, 65530, 65535):  # fmt: skip
        yield signed(f"{volume}/{photo}"), "ok", f"volume {volume}"
    for volume_text in ("0", "00", "01", "042", "65536", "65540", "65600", "66000", "70000",
                        "99999", "100000", "00042", "1000000000000000000000", ""):  # fmt: skip
        verdict = "403" if volume_text else "400"
        yield signed(f"{volume_text}/{photo}"), verdict, f"U57 volume {volume_text!r}"
    for first in "0zhjkmnptv":
        stem = f"42/{first}{first}/{first * 16}_{first * 6}"
        yield signed(stem), "ok", f"U55 photo id and version of {first}"
    for letter in "ilouAKZ-_":
        stem = f"42/k7/01jd3x8m2c9qp{letter}k7_3fz8qd"
        yield signed(stem), "403", f"photo id with {letter}, not in the alphabet"
        stem = f"42/k7/01jd3x8m2c9qp4k7_3fz8q{letter}"
        yield signed(stem), "403", f"version with {letter}, not in the alphabet"
    for shard in ("k8", "7k", "k", "k77", "K7", "01", "", "qp"):
        verdict = "403" if shard else "400"
        yield signed(f"42/{shard}/01jd3x8m2c9qp4k7_3fz8qd"), verdict, f"shard {shard!r} of k7"
    yield f"/{'a' * 511}", "403", "U53 512 bytes"
    yield f"/{'a' * 512}", "400", "U53 513 bytes"
    yield f"/{'a' * 4095}", "400", "U53 4 KiB"
    yield f"{signed()}{'g' * 512}", "400", "U53 a good URL and 512 bytes more"
    yield f"{signed()}{'/a' * 200}", "403", "U54 200 segments"
    yield "/a" * 2_000, "400", "U54 2,000 segments"


def forbidden_bytes() -> Iterator[Case]:
    """Yield each byte that makes a target a 400, before, within, and after a valid URL."""
    url = signed()
    for label, text in (
        ("U1", "/../"), ("U2", "/..%2f"), ("U3", "/%2e%2e/"), ("U4", "/%2e%2e%2f"),
        ("U5", "..%252f"), ("U6", "%252e%252e%252f"), ("U7", "..%c0%af"), ("U8", "%c0%ae%c0%ae/"),
        ("U9", "..%u2215"), ("U11", "..%5c"), ("U12", "%5c..%5c"), ("U13", "....//"),
        ("U14", "..;/"), ("U15", "/./"), ("U17", "%20"), ("U18", "//"), ("U20", "///"),
        ("U22", "%2F"), ("U23", "%252F"), ("U24", "%00"), ("U27", "%0d%0aX-A:%20b"),
        ("U28", "%0a"), ("U30", "%09"), ("U32", "\x80"), ("U32", "\xff"), ("U33", "\xc0\xaf"),
        ("U34", "%ff"), ("U35", "\xc3\xa9"), ("U36", "\xef\xbc\x91"), ("U37", "\xe2\x80\xae"),
        ("U39", "%2f"), ("U40", "%61"), ("U41", "%zz"), ("U41", "%"), ("U41", "%1"),
        ("U43", ";v=1"), ("U45", "?"), ("U46", "?a=1"), ("U47", "?a=1&a=2"), ("U48", "%3F"),
        ("U47", "?e=1;e=2"), ("K86", "?token=a"),
    ):  # fmt: skip
        yield f"{url}{text}", "400", f"{label} {text!r} at the end"
        yield f"/{text}{url[1:]}", "400", f"{label} {text!r} at the beginning"
        yield f"{url[:20]}{text}{url[20:]}", "400", f"{label} {text!r} inside"
    yield url.replace("/k7/", "%2fk7%2f"), "400", "U22 escaped slashes that would decode to the URL"
    yield url.replace("_m", "%5fm"), "400", "U40 escaped character that would decode to the URL"
    yield url.replace(".jpg", "%00.jpg"), "400", "U25 escaped NUL before the ext"
    yield url.replace("1", "\xef\xbc\x91"), "400", "U36 full-width digits"
    yield f"http://other{url}", "400", "U50 absolute form"
    yield f"http://user@other{url}", "400", "U52 absolute form with userinfo"
    yield "other:443", "400", "U51 authority form"
    yield "*", "400", "U51 asterisk form"
    yield url[1:], "400", "no slash at the beginning"
    yield f" {url}", "400", "U17 space at the beginning"
    yield f"\\{url}", "400", "U10 backslash at the beginning"
    yield "", "400", "nothing"
    yield "//", "400", "U18 two slashes"
    yield "/.", "400", "U60 hidden name"
    yield "/42/.volume", "400", "U60 volume marker"
    yield "/.node", "400", "U60 node marker"
    yield "/.quarantine/1-a", "400", "U60 quarantine"
    yield "/.trash/1/a", "400", "U60 trash"
    yield "/.hints/node/a", "400", "U60 hints"


def strange_paths() -> Iterator[Case]:
    """Yield targets without a forbidden byte that are not permission URLs."""
    url = signed()
    for label, text in (
        ("U10", "..\\"), ("U16", "."), ("U17", " "), ("U21", "/"), ("U26", "\0"), ("U29", "\r"),
        ("U29", "\n"), ("U29", "\r\n"), ("U30", "\t"), ("U31", "\x7f"), ("U31", "\x01"),
        ("U31", "\x1f"), ("U42", "+"), ("U44", "#fragment"), ("U44", "#"), ("U49", "&"),
        ("U49", "="), ("U59", ".php"), ("U59", ".jpg"), ("U59", "/x.css"), ("U60", ".tmp"),
        ("U60", ".journal"), ("U62", "*"), ("U62", "~"), ("U62", "$()"), ("U62", "`id`"),
        ("U62", "'"), ("U62", '"'), ("U62", "|"), ("U62", "["), ("U62", "{}"), ("U62", ","),
        ("U62", ":"), ("U62", "@"), ("U62", "!"),
    ):  # fmt: skip
        yield f"{url}{text}", "403", f"{label} {text!r} at the end"
        yield f"{url[:30]}{text}{url[30:]}", "403", f"{label} {text!r} inside"
    yield "/", "403", "the root"
    yield "/42", "403", "a volume"
    yield "/42/k7", "403", "a shard"
    yield "/42/k7/", "403", "U21 a shard directory"
    yield "/favicon.ico", "403", "a name that browsers request"
    yield "/42/k7../x", "403", "U1 dots at the end of a segment"
    yield url.upper(), "403", "U38 all upper case"
    yield url.replace("k7/", "K7/"), "403", "U38 upper-case shard"
    yield url.replace("_m.", "_M."), "403", "U38 upper-case size"
    yield url.replace(".jpg", ".JPG"), "403", "U38 upper-case ext"
    for number in ("-1", "+1", "1e3", "0x1", "9223372036854775808", "18446744073709551616", "1.0"):
        yield url.replace("/42/", f"/{number}/"), "403", f"U56 volume {number}"
    for photo in ("1jd3x8m2c9qp4k7", "001jd3x8m2c9qp4k7", "-1jd3x8m2c9qp4k7", "+1jd3x8m2c9qp4k7"):
        yield signed(f"42/k7/{photo}_3fz8qd"), "403", f"U56 photo id {photo}"
    for size in "xyzlaefgijpruv":
        if size not in SIZE_CLASSES:
            yield signed(size=size), "403", f"U58 unknown size {size}, signed as web"
    for size in ("", "mm", "1", "-", "_"):
        yield signed(size=size), "403", f"U58 size {size!r}"
    for ext in ("jpeg", "tiff", "heif", "svg", "php", "html", "json", "fail", "gone", "jp", ""):
        yield signed(ext=ext), "403", f"U58 ext {ext!r}"
    yield f"/{STEM}.json", "403", "U60 the info"
    yield f"/{STEM}.gone", "403", "U60 a tombstone"
    yield f"/{STEM}.a.0.{mac_of(url)}.jpg", "403", "no size"
    yield "/proc/self/environ", "403", "U61 process file"
    yield "/dev/zero", "403", "U61 device"
    yield "/con.jpg", "403", "U61 device name"
    yield f"/x{url}", "403", "one more segment at the beginning"
    yield f"{url}{url}", "403", "twice the URL"


def strange_permissions() -> Iterator[Case]:
    """Yield a valid photo path with a missing or malformed permission."""
    url = signed()
    mac = mac_of(url)
    begin = f"/{STEM}_m"
    yield f"{begin}.jpg", "403", "K63 missing"
    yield f"{begin}..jpg", "403", "K64 empty"
    yield f"{begin}....jpg", "403", "K64 three empty fields"
    yield f"{begin}.a.0..jpg", "403", "K64 empty MAC"
    yield f"{begin}.a..{mac}.jpg", "403", "K64 empty expiry"
    yield f"{begin}..0.{mac}.jpg", "403", "K64 empty key id"
    yield f"{begin}.0.{mac}.jpg", "403", "no key id"
    yield f"{begin}.a.{mac}.jpg", "403", "no expiry"
    yield f"{begin}.{mac}.jpg", "403", "a MAC only"
    yield f"{begin}.a.0.{mac}", "403", "no ext"
    yield f"{begin}.a.0.{mac}.a.0.{mac}.jpg", "403", "K85 two permissions"
    yield f"{begin}.a.0.{mac}{mac}.jpg", "403", "K85 two MACs"
    for text in ("A", "AA", "AAA", "AAAA"):
        yield url.replace(mac, mac + text), "403", f"K66 MAC with {text} more"
    for text in ("=", "=="):
        yield url.replace(mac, mac + text), "403", f"K69 MAC with {text}"
        yield url.replace(mac, mac[: -len(text)] + text), "403", f"K69 MAC that ends in {text}"
    for text in "+!*,@:~|":
        yield url.replace(mac, mac[:5] + text + mac[6:]), "403", f"K71 {text!r} in the MAC"
        yield url.replace(mac, mac[:5] + text + mac[5:]), "403", f"K71 {text!r} put into the MAC"
    yield url.replace(mac, mac[:5] + "/" + mac[6:]), "403", "K70 a slash in the MAC"
    for text in (" ", "\n", "\t", "\r\n"):
        yield url.replace(mac, mac[:9] + text + mac[9:]), "403", f"K71 {text!r} put into the MAC"
        yield url.replace(mac, mac + text), "403", f"K71 {text!r} after the MAC"
    yield url.replace(mac, mac + "\xe9"), "400", "K72 a byte above 0x7f after the MAC"
    for key_id in ("aaaaa", "A", "a-", "a_", "-", "+", "a b"):
        yield signed(key_id=key_id, key=DERIVED["a"]), "403", f"K82 key id {key_id!r}"
    for expiry in (
        "00", "01", "0ffffffff", "FFFFFFFF", "fFFFFFFF", "-1", "+1", "0x1", "g", "1e3g",
        "10000000000", "fffffffffff", "ffffffffffffffff", "ffffffff ", "1_0",
    ):  # fmt: skip
        yield signed(expiry=expiry), "403", f"K80 expiry {expiry!r}"


def permissions_of_others() -> Iterator[Case]:
    """Yield well-formed permissions for something else."""
    url, large, original = signed(), signed(size="k"), signed(size="o")
    mac = mac_of(url)
    yield url.replace(mac, mac_of(signed(OTHER_STEM))), "403", "K73 another photo's"
    yield url.replace(mac, mac_of(signed(OTHER_VERSION))), "403", "K90 another version's"
    yield signed("43" + STEM[2:]).replace(mac_of(signed("43" + STEM[2:])), mac), "403", "K73 volume"
    yield url.replace("_m.", "_k."), "403", "K74 web permission on a large size"
    yield url.replace("_m.", "_o."), "403", "K75 web permission on the original"
    yield large.replace("_k.", "_m."), "403", "K74 large permission on a web size"
    yield large.replace("_k.", "_o."), "403", "K75 large permission on the original"
    yield original.replace("_o.", "_m."), "403", "K75 original's permission on a web size"
    yield original.replace("_o.", "_k."), "403", "K75 original's permission on a large size"
    yield url.replace("_m.", "_b."), "ok", "web permission on another web size: that is its use"
    yield large.replace("_k.", "_h."), "ok", "large permission on the other large size"
    yield url.replace(".jpg", ".webp"), "ok", "one permission opens every format of its class"
    for purpose in ("upload", "internal", "job", "webhook"):
        key = hmac.new(SECRETS["a"], purpose.encode(), hashlib.sha256).digest()
        yield signed(key=key), "403", f"K84 signed for {purpose}"
    yield signed(key=SECRETS["a"]), "403", "signed with the secret instead of the derived key"
    for expiry in ("1", "ffffffff"):
        yield url.replace(".0.", f".{expiry}."), "403", f"K80 no expiry changed to {expiry}"
    ending = signed(expiry="ffffffff")
    yield ending.replace(".ffffffff.", ".0."), "403", "K80 an expiry changed to none"
    yield ending.replace(".ffffffff.", ".fffffffff."), "403", "K80 an expiry prolonged"
    shifted = make_mac(DERIVED["a"], expiry="fffffff", stem=f"f/{STEM}", size_class="web")
    yield ending.replace(mac_of(ending), shifted), "403", "K81 the expiry's end in the path"
    for key_id in ("c", "b", "a2", "zzzz", "0", "key1"):
        yield signed(key_id=key_id, key=DERIVED["a"]), "403", f"K82 unknown key id {key_id}"
    yield signed(key_id="old"), "403", "K83 retired key"
    yield signed(key_id="old", key=DERIVED["a"]), "403", "K83 retired id, good key"
    yield signed(key_id="b2", key=DERIVED["a"]), "403", "K82 id of another key"
    yield signed(key_id="a", key=DERIVED["old"]), "403", "K83 good id, retired key"
    for key in (b"", b"a", b"secret", bytes(32)):
        mac_of_weak = make_mac(key, expiry="0", stem=STEM, size_class="web")
        yield url.replace(mac, mac_of_weak), "403", f"K88 signed with the key {key!r}"
    message = f"0/{STEM}/web".encode()
    for label, digest in (
        ("K87 HMAC-SHA1", hmac.digest(DERIVED["a"], message, "sha1")),
        ("K87 HMAC-SHA512", hmac.digest(DERIVED["a"], message, "sha512")),
        ("K89 SHA-256 of key and message", hashlib.sha256(DERIVED["a"] + message).digest()),
        ("the last bytes of the HMAC", hmac.digest(DERIVED["a"], message, "sha256")[14:]),
    ):
        text = base64.urlsafe_b64encode(digest[:18]).decode()
        yield url.replace(mac, text), "403", label
    for text in ("A" * 24, "_" * 24, "-" * 24, mac[::-1], mac.swapcase()):
        yield url.replace(mac, text), "403", f"K67 MAC {text}"


def restricted_keys() -> Iterator[Case]:
    """Yield URLs of keys that are restricted to classes or to a lifetime."""
    for letters in ("w", "l", "o", "wl", "wo", "lo"):
        for size in "mko":
            verdict = "ok" if SIZE_CLASSES[size][0] in letters else "403"
            url = signed(size=size, key_id=f"b2-{letters}")
            yield url, verdict, f"R1 class {SIZE_CLASSES[size]} by a key for {letters}"
    web = signed(key_id="a-w")
    for before, after in ((".a-w.", ".a."), (".a-w.", ".a-wl."), (".a-w.", ".b2-w."),
                          (".a-w.", ".a-w1."), ("_m.", "_o.")):  # fmt: skip
        yield web.replace(before, after), "403", f"R2 {before} changed to {after}"
    yield signed(key_id="a-w", key=DERIVED["a"]), "403", "R2 signed by the key, named as restricted"
    twice = restrict(restrict(DERIVED["a"], "w"), "o")
    yield signed(size="o", key_id="a-o", key=twice), "403", "R2 derived from a restricted key"
    for key_id in ("old-w", "zz-w", "a-", "a-lw", "a-wlo", "a-ww", "a-x", "a-W", "a-w-", "-w",
                   "a-0", "a-01", "a-w0", "a-10000", "a-1w", "a--w", "a_w", "aaaaa-w"):  # fmt: skip
        yield signed(key_id=key_id), "403", f"R3 key {key_id}"
    for key_id, expiry in (("a-1", "0"), ("a-w1", "0"), ("a-9999", "0"), ("a-w9999", "ffffffff")):
        yield signed(key_id=key_id, expiry=expiry), "403", f"R4 expiry {expiry} by {key_id}"
    for hours, ahead, verdict in ((1, 3600, "ok"), (1, 4200, "ok"), (1, 4201, "403"), (1, 0, "403"),
                                  (168, 605_400, "ok"), (168, 605_401, "403")):  # fmt: skip
        for key_id in (f"a-{hours}", f"9zzz-w{hours}"):
            url = signed(key_id=key_id, expiry=f"{NOW + ahead:x}")
            yield url, verdict, f"clock R4 {ahead} s ahead by {key_id}"


def cut_and_flipped() -> Iterator[Case]:
    """Yield a valid URL cut, or with the lowest bit of one character changed, at each place."""
    url = signed()
    mac = mac_of(url)
    for length in range(24):
        yield url.replace(mac, mac[:length]), "403", f"K65 MAC cut to {length}"
    for at in range(1, len(url)):
        flipped = url[:at] + chr(ord(url[at]) ^ 1) + url[at + 1 :]
        yield flipped, "403", f"K67 lowest bit of character {at} flipped"
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        if last != mac[-1]:
            yield url.replace(mac, mac[:-1] + last), "403", f"K68 last character {last}"


def clocks() -> Iterator[Case]:
    """Yield expiries long past, and around the exact second."""
    for expiry in ("1", "a", "5f5e100", "3b9aca00"):
        yield signed(expiry=expiry), "403", f"K79 expired long ago, {expiry}"
    for seconds in (1, 59, 60, 300, 600, 3600, 86400, 31_536_000):
        yield signed(expiry=f"{NOW - seconds:x}"), "403", f"K79 expired {seconds} s ago"
        yield signed(expiry=f"{NOW + seconds:x}"), "ok", f"clock: {seconds} s left"
    yield signed(expiry=f"{NOW:x}"), "403", "K79 expires this second"


if __name__ == "__main__":
    sys.exit(main())
