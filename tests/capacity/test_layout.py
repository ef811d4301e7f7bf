"""Layouts: each mirror in another colo, and the same number of volumes on each node."""

from collections import Counter

import pytest

from capacity.layout import lay_out
from capacity.scenario import InvalidScenario
from tests.capacity.scenarios import scenario


@pytest.mark.parametrize(("colos", "mirrors"), [(2, 2), (3, 2), (3, 3), (6, 2), (6, 3)])
def test_mirrors_are_in_different_colos_and_spread_evenly(colos, mirrors):
    """No two mirrors of a volume share a colo, and all nodes have as many volumes."""
    cluster = lay_out(scenario(colos=colos, mirrors=mirrors))
    per_node = Counter(node for volume in cluster.volumes.values() for node in volume.mirrors)
    for volume in cluster.volumes.values():
        assert len({cluster.nodes[node].colo for node in volume.mirrors}) == mirrors
    assert len(per_node) == 12
    assert max(per_node.values()) == min(per_node.values()) == 720 * mirrors // 12


@pytest.mark.parametrize("partners", [0, 1, 2])
def test_a_node_shares_volumes_with_its_partners_only(partners):
    """A node has the wanted number of partners in each other colo; 0 is all of them."""
    cluster = lay_out(scenario(partners=partners))
    others = {}
    for volume in cluster.volumes.values():
        for node in volume.mirrors:
            others.setdefault(node, set()).update(set(volume.mirrors) - {node})
    assert {len(each) for each in others.values()} == {2 * (partners or 4)}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"colos": 1}, "colos: must be at least 2"),
        ({"mirrors": 4}, "mirrors: must be 2 to 3"),
        ({"mirrors": 1}, "mirrors: must be 2 to 3"),
        ({"nodes": 2}, "nodes: must be at least 3"),
        ({"volumes": 70_000}, "volumes: must be 1 to 65535"),
        ({"volumes": 5}, "volumes: must be at least 6 for 12 nodes"),
        ({"partners": 5}, "partners: must be 0, for all, to 4"),
        ({"files_per_node": 0}, "files_per_node: must be at least 1"),
        ({"disk_losses_per_year": 1.0}, "disk_losses_per_year: must be between 0 and 1"),
        ({"colo_losses_per_year": 1.5}, "colo_losses_per_year"),
        ({"outage_hours": -1.0}, "outage_hours: must not be negative"),
        ({"repair_bytes_per_second": 0}, "repair_bytes_per_second: must be at least 1"),
        ({"masters": -1}, "masters"),
        ({"disk_bytes": (100,)}, "disk_bytes: must be at least 1G"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(changes, reason):
    """The message names the value and its limits."""
    with pytest.raises(InvalidScenario, match="^" + reason):
        scenario(**changes)
