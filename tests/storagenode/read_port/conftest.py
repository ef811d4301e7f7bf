"""A node and its photos for the tests of the read port."""

import pytest

from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import bytes_of, variant_of, version_of

MIB = 1024 * 1024
DATA = bytes_of("photo", size=1000)
LARGE = bytes_of("large", size=9 * MIB + 7)


@pytest.fixture(name="node", scope="module")
def _node(served):
    return served


@pytest.fixture(name="variant")
def _variant(node, photo_version):
    place = variant_of(photo_version, "m")
    node.put(place, DATA)
    return place.file


@pytest.fixture(name="url")
def _url(node, variant):
    return node.url(variant)


@pytest.fixture(name="path")
def _path(node, variant):
    return node.root / Place(variant).path


@pytest.fixture(name="large", scope="module")
def _large(node):
    place = variant_of(version_of(600), "o")
    node.put(place, LARGE)
    return place.file
