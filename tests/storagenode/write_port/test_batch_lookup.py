"""Lookups of many photos through the client of a node."""

import pytest

from storagenode.protocol import routes, wire
from storagenode.protocol.errors import BadRequest, NotAMirror
from storagenode.protocol.layout import Place
from tests.storagenode.disk.test_store import flip
from tests.storagenode.photo_samples import (
    OTHER_VOLUME,
    VOLUME,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.write_port.test_write_port import bundle, put_bundle
from volumes.photo_path import Info, PhotoTombstone


@pytest.fixture(name="node", scope="module")
def _node(served):
    return served


def test_many_photos_are_looked_up_in_one_request(node):
    """Digests and infos; missing and damaged files are skipped."""
    whole, damaged, missing = (version_of(number) for number in (901, 902, 903))
    for photo_version in (whole, damaged):
        put_bundle(node, photo_version, bundle(photo_version))
    flip(node.store.file_system.root / Place(Info(damaged)).path)
    infos = [Info(photo_version) for photo_version in (whole, damaged, missing)]
    data = bytes_of(Place(Info(whole)))
    digests = node.run(node.client.digests([*infos, PhotoTombstone(VOLUME, whole.photo)]))
    assert digests.keys() == {Info(whole), Info(damaged)}
    assert digests[Info(whole)] == digest_of(data)
    assert node.run(node.client.infos(infos)) == {Info(whole): data}


def test_lookups_are_limited(node, photo_version):
    """In number for each request of the client, and to infos."""
    many = [Info(photo_version)] * (wire.LOOKUP_FILES_MAX + 1)
    assert node.run(node.client.digests(many)) == {}
    with pytest.raises(BadRequest, match="too many"):
        node.run(node.client._call(routes.DIGESTS.target(), wire.render_paths(many)))
    with pytest.raises(BadRequest, match="list of infos"):
        node.run(node.client.infos([variant_of(photo_version).file]))
    for body in (b"", b"{}", b"[1]"):
        with pytest.raises(BadRequest, match="list of paths"):
            wire.parse_paths(body, count_max=1)
    with pytest.raises(NotAMirror):
        node.run(node.client.digests([Info(version_of(1, volume=OTHER_VOLUME))]))
