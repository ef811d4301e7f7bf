"""Permission URLs signed by one core, against the bare HMAC and base64 that no URL can do without.

And against 200,000 a second, so that a page may sign hundreds. `make bench-signing` prints URLs a
second too: for one size each, and for all sizes of a page's photos, of which one MAC opens a whole
class. A second is one of the core's own time: what else the machine does is left out.
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
    """Measure both ways, and say how to exit."""
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
        compare(
            "URLs signed a second, one by one, against the bare HMAC", FLOOR, one_by_one, _bare
        ),
        compare("URLs signed a second, all sizes of a photo", 1.0, all_sizes, _bare),
        compare(
            "URLs signed a second, one by one, against 200,000",
            1.0,
            one_by_one,
            lambda: WANTED_PER_SECOND,
        ),
    ]
    for figure in figures:
        print(f"{figure.name}: {figure.detail['ours']:,.0f} a second", file=sys.stderr)
    return report("signing", figures)


def _bare() -> float:
    def sign() -> None:
        for stem in STEMS:
            digest = hmac.digest(SECRET, b"0/" + stem.encode() + b"/web", "sha256")
            base64.urlsafe_b64encode(digest[:18]).decode()

    return _rate(len(STEMS), sign)


def _rate(count: int, work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return count / (time.process_time() - begun)


if __name__ == "__main__":
    sys.exit(main())
