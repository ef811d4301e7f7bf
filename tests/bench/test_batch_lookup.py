"""The bench of lookups runs a second storagemaster beside the first one."""

from bench.batch_lookup import write_without_memcached
from bench.servers import free_address
from glassplate.local.cluster import prepare_on_free_ports
from volumes.config.cluster_file import load_cluster


def test_the_storagemaster_without_memcached_shares_no_port_with_the_first(tmp_path):
    """Both run at once, on the same nodes."""
    local, address = prepare_on_free_ports(tmp_path), free_address()
    path = local.data / "without.toml"
    write_without_memcached(local, address, path)
    cluster = load_cluster(path)
    first, second = local.cluster.masters["east-master"], cluster.masters["east-master"]
    assert second.address == address
    assert not {first.address, first.internal} & {second.address, second.internal}
    assert cluster.nodes == local.cluster.nodes
    assert local.cluster.memcached
    assert not cluster.memcached
