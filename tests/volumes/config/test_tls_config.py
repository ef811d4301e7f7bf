"""TLS in `cluster.toml`."""

import pytest

from tests.volumes.config.test_cluster_config import SMALLEST
from volumes.address import Address
from volumes.config.cluster_config import InvalidConfig, parse_cluster


def test_tls_needs_an_address_of_each_storagemaster_for_its_workers():
    """It is off by default, and then workers use the address of the API."""
    cluster = parse_cluster(SMALLEST)
    assert not cluster.tls.internal
    assert cluster.masters["m1"].for_workers == Address("127.0.0.1", 7001)
    on = '[tls]\ninternal = "on"\nfolder = "certificates"\n'
    with pytest.raises(InvalidConfig, match=r"masters\.m1\.internal: is missing"):
        parse_cluster(SMALLEST + on)
    cluster = parse_cluster(SMALLEST + 'internal = "127.0.0.1:7002"\n' + on)
    assert (cluster.tls.internal, cluster.tls.folder) == (True, "certificates")
    assert cluster.masters["m1"].for_workers == Address("127.0.0.1", 7002)
