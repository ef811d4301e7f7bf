"""Signing of permission URLs on one core, against plain HMAC and base64.

One figure is against 200,000 URLs per second. `make bench-signing` also prints URLs per second: for
single URLs, and for all sizes of a photo, where one MAC serves a whole class. The unit is processor
time, so that other load on the machine does not count.
"""

import base64
import hmac
import sys
import time
from collections.abc import Callable

from bench.figures import Figure, compare, report
from permission_urls import Key, KeyRing, KeyState, ReadSigner

PHOTOS = 30_000
STEMS = [f"42/{n % 100:02d}/01jd3x8m2c{n:06d}_3fz8qd" for n in range(PHOTOS)]
SECRET = bytes(range(32))
CLASSES = dict.fromkeys("sqtmnwdzcb", "web") | {"h": "large", "k": "large", "o": "original"}
EXTS = dict.fromkeys(CLASSES, "jpg")
FLOOR = 0.30
WANTED_PER_SECOND = 200_000.0


def main() -> int:
    """Measure both ways, and return the exit status."""
    signer = ReadSigner(KeyRing(keys=(Key(key_id="a", secret=SECRET, state=KeyState.SIGNING),)))
    paths = [f"{stem}_m.jpg" for stem in STEMS]

    def one_by_one() -> float:
        return _rate(len(paths), lambda: [signer.url(path, size_class="web") for path in paths])

    def all_sizes() -> float:
        def sign() -> None:
            for stem in STEMS:
                signer.sign_sizes(stem, exts=EXTS, size_classes=CLASSES)

        return _rate(len(STEMS) * len(EXTS), sign)

    figures: list[Figure] = [
        compare("URLs signed per second, one by one, against plain HMAC", FLOOR, one_by_one, _bare),
        compare("URLs signed per second, all sizes of a photo", 1.0, all_sizes, _bare),
        compare(
            "URLs signed per second, one by one, against 200,000",
            1.0,
            one_by_one,
            lambda: WANTED_PER_SECOND,
        ),
    ]
    for figure in figures:
        print(f"{figure.name}: {figure.detail['measured']:,.0f} per second", file=sys.stderr)
    return report("signing", figures)


def _bare() -> float:
    def sign() -> None:
        for stem in STEMS:
            digest = hmac.digest(SECRET, b"0/" + stem.encode() + b"/web", "sha256")
            base64.urlsafe_b64encode(digest[:18]).decode()

    return _rate(len(STEMS), sign)


def _rate(count: int, work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return count / (time.process_time() - started)


if __name__ == "__main__":
    sys.exit(main())
