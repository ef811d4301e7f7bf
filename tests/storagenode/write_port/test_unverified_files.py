"""A file that has lost its recorded digest can be copied for a repair, and is used for nothing."""

import os

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR
from storagenode.protocol.errors import Corrupt
from tests.storagenode.disk.test_store import flip
from tests.storagenode.photo_samples import bytes_of, digest_of, variant_of

DATA = bytes_of("unverified")


@pytest.mark.parametrize("is_damaged", [False, True])
def test_bytes_without_a_recorded_digest_are_not_fetched(served, photo_version, is_damaged):
    """Damaged bytes match their own digest, and a worker would make sizes from them."""
    place = variant_of(photo_version)
    served.put(place, DATA)
    path = served.root / place.path
    if is_damaged:
        flip(path)
    path.chmod(0o600)
    os.removexattr(path, DIGEST_XATTR)
    with pytest.raises(Corrupt, match="has lost its recorded digest"):
        served.run(served.client.fetch(place))
    found = served.run(served.client.stat(place))
    assert found.is_unverified
    assert (found.digest == digest_of(DATA)) is not is_damaged


def test_a_recorded_digest_is_no_reason_to_refuse(served, photo_version):
    """The file is fetched and verified."""
    place = variant_of(photo_version)
    served.put(place, DATA)
    fetched = served.run(served.client.fetch(place))
    assert (fetched.data, fetched.metadata.is_unverified) == (DATA, False)
