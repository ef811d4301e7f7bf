"""Signed URLs: they verify, are reproducible, and share one MAC per class."""

import pytest

from permission_urls import (
    Purpose,
    ReadSigner,
    Unsignable,
    Verifier,
    derived_key,
    mac,
    parse_permission_url,
)


@pytest.fixture(name="signer")
def _signer(ring):
    return ReadSigner(ring)


def test_the_signed_bytes_are_the_designs(ring, signer, path, stem):
    """The MAC covers expiry, stem, and class only."""
    key = derived_key(ring, "a", Purpose.READ)
    expected = mac(key, f"6553f164/{stem}/web".encode())
    url = signer.url(path, size_class="web", expiry_seconds=1_700_000_100)
    assert url == f"/{stem}_m.a.6553f164.{expected}.jpg"


def test_a_permanent_url_is_always_the_same(ring, path):
    """Two machines with the same ring sign the same URL."""
    urls = {ReadSigner(ring).url(path, size_class="web") for _ in range(3)}
    assert len(urls) == 1


def test_signed_urls_verify(ring, signer, size_classes, stem, now):
    """URLs of every size and ext verify, with and without expiry."""
    verifier = Verifier(ring, size_classes)
    for size, size_class in size_classes.items():
        for ext in ("jpg", "png", "gif", "webp", "avif", "heic", "tif"):
            for expiry in (0, now + 1, 16**10 - 1):
                path = f"{stem}_{size}.{ext}"
                url = signer.url(path, size_class=size_class, expiry_seconds=expiry)
                assert verifier.verify(url, now).path == path


def test_signing_all_sizes_equals_signing_each(signer, size_classes, stem, now):
    """`sign_sizes` and `url` give the same URLs."""
    exts = dict.fromkeys(size_classes, "jpg") | {"o": "png"}
    urls = signer.sign_sizes(stem, exts=exts, size_classes=size_classes, expiry_seconds=now)
    assert urls == {
        size: signer.url(f"{stem}_{size}.{ext}", size_class=size_classes[size], expiry_seconds=now)
        for size, ext in exts.items()
    }


def test_one_mac_serves_a_whole_class_and_no_other(signer, size_classes, stem):
    """Three classes have three MACs."""
    exts = dict.fromkeys(size_classes, "jpg")
    urls = signer.sign_sizes(stem, exts=exts, size_classes=size_classes)
    macs = {
        size_class: {
            parse_permission_url(urls[size]).permission.mac
            for size in exts
            if size_classes[size] == size_class
        }
        for size_class in ("web", "large", "original")
    }
    assert [len(macs_of_class) for macs_of_class in macs.values()] == [1, 1, 1]
    assert len(set.union(*macs.values())) == 3


def test_no_sizes_are_no_urls(signer, size_classes, stem):
    """A photo without sizes has no URLs."""
    assert signer.sign_sizes(stem, exts={}, size_classes=size_classes) == {}


@pytest.mark.parametrize(
    "path",
    ["", "/42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg", "42/k7/01jd3x8m2c9qp4k7_3fz8qd.json",
     "42/k8/01jd3x8m2c9qp4k7_3fz8qd_m.jpg", "42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg\n",
     "0/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg", "42/k7/01jd3x8m2c9qp4k7_m.jpg"],
)  # fmt: skip
def test_an_invalid_path_is_not_signed(signer, path):
    """A path outside of the grammar raises Unsignable."""
    with pytest.raises(Unsignable):
        signer.url(path, size_class="web")


def test_bad_stems_sizes_and_expiries_are_not_signed(signer, size_classes, stem):
    """`sign_sizes` validates its input as `url` does."""
    with pytest.raises(Unsignable, match="stem"):
        signer.sign_sizes(stem + "\n", exts={"m": "jpg"}, size_classes=size_classes)
    with pytest.raises(Unsignable, match="class"):
        signer.sign_sizes(stem, exts={"x": "jpg"}, size_classes=size_classes)
    with pytest.raises(Unsignable, match="expiry"):
        signer.sign_sizes(stem, exts={}, size_classes=size_classes, expiry_seconds=-1)
