"""Routes: the nodes of each volume from the view of a colo, and their order."""

from proxy_config import mirror_routes
from tests.proxy_config.golden_configs import golden_cluster
from volumes.cluster import Colo


def shape(cluster, colo):
    """Return the routes as plain values."""
    return [
        ([n.id for n in route.local], [n.id for n in route.remote], list(route.volumes))
        for route in mirror_routes(cluster, Colo(colo))
    ]


def test_the_own_colo_comes_first():
    """Each colo has its own nodes as local and the other's as remote."""
    assert shape(golden_cluster(), "east") == [
        (["east-1"], ["west-1"], [1, 2, 3, 4, 6, 7]),
        (["east-2"], ["west-2"], [5]),
        (["east-2", "east-1"], ["west-2"], [8]),
    ]
    assert shape(golden_cluster(), "west") == [
        (["west-1"], ["east-1"], [1, 2, 3, 4, 6, 7]),
        (["west-2"], ["east-2"], [5]),
        (["west-2"], ["east-2", "east-1"], [8]),
    ]


def test_a_colo_without_mirrors_uses_all_of_them():
    """A colo without mirrors has all of them as local, in the order of the map."""
    assert shape(golden_cluster(), "north") == [
        (["east-1", "west-1"], [], [1, 2, 3, 4, 6, 7]),
        (["west-2", "east-2"], [], [5]),
        (["east-2", "east-1", "west-2"], [], [8]),
    ]


def test_names_are_made_of_node_ids():
    """A name lists the node ids, and is unique within a colo."""
    routes = mirror_routes(golden_cluster(), Colo("east"))
    names = [route.name for route in routes]
    assert names == ["east-1_west-1", "east-2_west-2", "east-2_east-1_west-2"]


def test_volumes_are_rendered_as_ranges():
    """Consecutive volumes are rendered as ranges."""
    route = mirror_routes(golden_cluster(), Colo("east"))[0]
    assert route.volume_ranges == ((1, 4), (6, 7))
