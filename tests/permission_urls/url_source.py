"""Generator of targets that are permission URLs, or similar to them."""

import random
from collections.abc import Iterator

POOL_COUNT = 3_000

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
EXTS = ("jpg", "png", "gif", "webp", "avif", "heic", "tif")
BAD_EXTS = ("jpeg", "JPG", "svg", "", "jp", "json", "webpp")
# Twice the alphabet of the grammar, so that changes often stay within it.
CHANGES = [chr(code) for code in range(256)] + list(CROCKFORD + "ABCXYZ_-./") * 12
FIELDS = ("volume", "shard", "photo", "version", "size", "key", "expiry", "mac", "ext")


class UrlSource:
    """Generator of targets from a pool of URLs, most of them valid."""

    def __init__(self, *, seed, reference, read_keys, size_classes, now):
        self._random = random.Random(seed)
        self._reference = reference
        self._keys = read_keys | {"old": bytes(range(32)), "x": bytes(range(1, 33))}
        self._size_classes = size_classes | {"x": "web", "a": "large"}
        self._now = now
        self._pool = [self._make_fields() for _ in range(POOL_COUNT)]
        self._urls = [join(fields) for fields in self._pool]
        self._values = [[fields[i] for fields in self._pool] for i in range(len(FIELDS))]
        self._add_values_out_of_the_grammar()

    def mutations(self, count: int) -> Iterator[str]:
        """Yield URLs of the pool, most with one or two characters changed, inserted, or removed."""
        rng, urls = self._random.random, self._urls
        for _ in range(count):
            url = urls[int(rng() * POOL_COUNT)]
            kind = rng()
            if kind > 0.12:
                url = self._change(url)
            if kind > 0.85:
                url = self._change(url)
            yield url

    def recombinations(self, count: int) -> Iterator[str]:
        """Yield URLs of the pool with one to nine fields from others or outside of the grammar."""
        rng, pool, values = self._random.random, self._pool, self._values
        for _ in range(count):
            fields = list(pool[int(rng() * POOL_COUNT)])
            changed = 1 if rng() < 0.7 else int(rng() * 9) + 1
            for _ in range(changed):
                field = int(rng() * 9)
                choices = values[field]
                fields[field] = choices[int(rng() * len(choices))]
            yield join(fields)

    def _change(self, url: str) -> str:
        rng = self._random.random
        at, kind = int(rng() * len(url)), rng()
        character = CHANGES[int(rng() * len(CHANGES))]
        if kind < 0.5:
            return url[:at] + character + url[at + 1 :]
        if kind < 0.7:
            return url[:at] + character + url[at:]
        if kind < 0.85:
            return url[:at] + url[at + 1 :]
        if kind < 0.9:
            return url[:at] + _other_case(url[at : at + 1]) + url[at + 1 :]
        if kind < 0.95:
            return url[:at]
        other = self._urls[int(rng() * POOL_COUNT)]
        return url[:at] + other[at:] if kind < 0.995 else url + other * 6

    def _make_fields(self) -> tuple[str, ...]:
        pick = self._random.choice
        photo = "".join(self._random.choices(CROCKFORD, k=16))
        version = "".join(self._random.choices(CROCKFORD, k=6))
        volume = pick(["1", "9", "42", "65535", str(self._random.randint(1, 65535))])
        size, key_id = pick(list(self._size_classes)), pick(list(self._keys))
        near = self._now + self._random.randint(-3, 3)
        expiry = pick(["0", "0", f"{near:x}", "ffffffff", "ffffffffff", "1"])
        stem = f"{volume}/{photo[-2:]}/{photo}_{version}"
        restriction = pick(["", "", "w", "wl", "o", "lo", "1", "w9999", "168"])
        read_key = self._keys[key_id]
        if restriction:
            key_id = f"{key_id}-{restriction}"
            read_key = self._reference.restrict(read_key, restriction)
        mac = self._reference.make_mac(
            read_key, expiry=expiry, stem=stem, size_class=self._size_classes[size]
        )
        return volume, photo[-2:], photo, version, size, key_id, expiry, mac, pick(EXTS)

    def _add_values_out_of_the_grammar(self) -> None:
        strange = {
            "volume": ["0", "042", "65536", "99999", "100000", "", "-1", "1e3", "٤", "655350"],
            "shard": ["", "k", "K7", "k77", "..", "%2f"],
            "photo": ["", "01jd3x8m2c9qp4k", "01jd3x8m2c9qp4k7a", "o" * 16, "0" * 16, "A" * 16],
            "version": ["", "3fz8q", "3fz8qdd", "ilouil", "3FZ8QD"],
            "size": ["", "M", "mm", "1", "z", "o", "k"],
            "key": ["", "aaaaa", "A", "zz", "0", "a-", "a-w", "a-ow", "a-wlo", "a-0", "-w"],
            "expiry": ["", "00", "01", "FF", "10000000000", "-1", "+1", "0x1", "g"],
            "mac": ["", "A" * 23, "A" * 25, "A" * 24, "=" * 24, "A" * 22 + "==", "+/" * 12],
            "ext": list(BAD_EXTS),
        }
        for choices, name in zip(self._values, FIELDS, strict=True):
            values = [value.encode().decode("latin-1") for value in strange[name]]
            # About a third of the values are invalid, whatever their number is.
            choices.extend(values * (POOL_COUNT // (2 * len(values))))


def _other_case(text: str) -> str:
    """Return the other case of ASCII, so that the text stays in Latin-1."""
    return text.encode("latin-1").swapcase().decode("latin-1")


def join(fields) -> str:
    """Join nine fields to a URL."""
    volume, shard, photo, version, size, key_id, expiry, mac, ext = fields
    return f"/{volume}/{shard}/{photo}_{version}_{size}.{key_id}.{expiry}.{mac}.{ext}"
