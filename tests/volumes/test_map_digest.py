"""The digest of a volume map changes with what processes must agree on, and with nothing else."""

import dataclasses

from tests.proxy_config.golden_configs import golden_cluster
from volumes.map_digest import map_digest

CLUSTER = golden_cluster()


def changed(**changes):
    """Return the digest of the cluster with these changes."""
    return map_digest(dataclasses.replace(CLUSTER, **changes))


def test_another_map_or_size_has_another_digest():
    """Mirrors, addresses, and sizes decide which photo is where."""
    nodes = dict(CLUSTER.nodes)
    first = next(iter(nodes))
    nodes[first] = dataclasses.replace(nodes[first], colo="north")
    volumes = dict(CLUSTER.volumes)
    volumes.popitem()
    digests = {
        map_digest(CLUSTER),
        changed(nodes=nodes),
        changed(volumes=volumes),
        changed(sizes=CLUSTER.sizes[:-1]),
        changed(public_url="https://other.example"),
    }
    assert len(digests) == 5


def test_paths_of_a_machine_do_not_matter():
    """Machines can have their disks and key files elsewhere."""
    nodes = {
        id_: dataclasses.replace(node, store="/elsewhere") for id_, node in CLUSTER.nodes.items()
    }
    assert changed(nodes=nodes, keys_file="/elsewhere/keys.toml") == map_digest(CLUSTER)
