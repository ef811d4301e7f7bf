"""Info documents that can be cached."""

import pytest

from storagemaster.caches.info_cache import CachedInfo, info_of


def test_an_info_has_the_sizes_once_and_the_format_of_the_original():
    """A size in several formats counts once."""
    made = b'[{"size": "m", "ext": "jpg"}, {"size": "s"}, {"size": "m", "ext": "webp"}]'
    document = b'{"variants": %b, "original": {"ext": "png"}}' % made
    assert info_of(document) == CachedInfo(document, "ms", "png")


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"variants": [{"size": "m"}]}',
        b'{"variants": [], "original": {"ext": "jpg"}}',
        b'{"variants": [{"size": "m"}], "original": {"ext": "exe"}}',
        b'{"variants": [{"size": "m 1"}], "original": {"ext": "jpg"}}',
        b'{"variants": [{"size": 1}], "original": {"ext": "jpg"}}',
    ],
)
def test_an_incomplete_document_is_not_an_info(document):
    """A photo with such an info is read from the disks."""
    assert info_of(document) is None
