"""Routes: which nodes a colo asks for which volumes, and in which order."""

from proxy_config import mirror_routes
from tests.proxy_config.golden_configs import golden_cluster
from volumes.cluster import Colo


def shape(cluster, colo):
    """Routes as plain values."""
    return [
        ([n.id for n in route.local], [n.id for n in route.remote], list(route.volumes))
        for route in mirror_routes(cluster, Colo(colo))
    ]


def test_the_own_colo_comes_first():
    """Each colo has its own nodes near and the other's far."""
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


def test_a_colo_without_mirrors_asks_all_of_them():
    """An edge in a third colo has every mirror near, in the order of the map."""
    assert shape(golden_cluster(), "north") == [
        (["east-1", "west-1"], [], [1, 2, 3, 4, 6, 7]),
        (["west-2", "east-2"], [], [5]),
        (["east-2", "east-1", "west-2"], [], [8]),
    ]


def test_names_are_made_of_node_ids():
    """A name says whom it asks, and no two routes of a colo share one."""
    routes = mirror_routes(golden_cluster(), Colo("east"))
    names = [route.name for route in routes]
    assert names == ["east-1_west-1", "east-2_west-2", "east-2_east-1_west-2"]


def test_volumes_are_told_as_ranges():
    """Runs of numbers are told by their ends."""
    route = mirror_routes(golden_cluster(), Colo("east"))[0]
    assert route.volume_ranges == ((1, 4), (6, 7))
