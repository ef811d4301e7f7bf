"""Route tables: the nodes of each volume from the view of a colo, and their order."""

from dataclasses import replace

from bench.wide_cluster import wide_cluster
from proxy_config import route_table
from tests.proxy_config.golden_configs import golden_cluster
from volumes.cluster import Colo


def shape(cluster, colo):
    """Return the local and the remote nodes of each volume, by id."""
    table = route_table(cluster, Colo(colo))
    return {
        number: tuple([node.id for node in nodes] for nodes in table.nodes_of(number))
        for number in cluster.volumes
    }


def test_the_own_colo_comes_first():
    """Each colo has its own nodes as local and the other's as remote."""
    pair = (["east-1"], ["west-1"])
    assert shape(golden_cluster(), "east") == {
        **dict.fromkeys((1, 2, 3, 4, 6, 7), pair),
        5: (["east-2"], ["west-2"]),
        8: (["east-2", "east-1"], ["west-2"]),
    }
    assert shape(golden_cluster(), "west") == {
        **dict.fromkeys((1, 2, 3, 4, 6, 7), pair[::-1]),
        5: (["west-2"], ["east-2"]),
        8: (["west-2"], ["east-2", "east-1"]),
    }


def test_a_colo_without_mirrors_uses_all_of_them():
    """A colo without mirrors has all of them as local, in the order of the map."""
    assert shape(golden_cluster(), "north") == {
        **dict.fromkeys((1, 2, 3, 4, 6, 7), (["east-1", "west-1"], [])),
        5: (["west-2", "east-2"], []),
        8: (["east-2", "east-1", "west-2"], []),
    }


def test_rows_are_numbers_of_one_length():
    """A row has the counts and the nodes; a volume that is missing has a row of zeros."""
    cluster = golden_cluster()
    without_5 = {number: v for number, v in cluster.volumes.items() if number != 5}
    table = route_table(replace(cluster, volumes=without_5), Colo("east"))
    assert table.rows == (*["12130"] * 4, "00000", *["12130"] * 2, "23214")
    assert table.text == "".join(f"{row}\n" for row in table.rows)
    assert table.row_bytes == 6


def test_fifty_thousand_volumes_have_their_mirrors():
    """Each of 50,000 volumes on 100 nodes has exactly its mirrors, the own colo's first."""
    cluster = wide_cluster(nodes=100, volumes=50_000)
    table = route_table(cluster, Colo("east"))
    for number, volume in cluster.volumes.items():
        local, remote = table.nodes_of(number)
        assert {node.id for node in local + remote} == set(volume.mirrors)
        assert [node.colo for node in local + remote] == ["east", "west"]
    assert len(set(table.rows)) > 2_000
