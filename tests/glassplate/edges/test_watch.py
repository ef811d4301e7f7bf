"""The files of an edge follow the config, the volume map, and the keys."""

import pytest

from glassplate.edges.reload import ReloadFailed
from glassplate.edges.rendered_edge import RenderedEdge
from glassplate.edges.watch import EdgeWatch
from tests.volumes.config.test_cluster_config import SMALLEST
from volumes.config.cluster_file import MAP_NAME


class Edge:
    """An edge whose files say which version they are, and which can refuse to load them."""

    def __init__(self, folder):
        self.version = 1
        self.is_busy = False
        self.loaded = []
        self.reports = []
        self.config = folder / "cluster.toml"
        self.config.write_text(SMALLEST)
        (folder / "keys.toml").write_text("")
        self.watch = EdgeWatch(
            self.config, self._render, folder / "edge", check=False, report=self.reports.append
        )
        self.watch.check_for_changes()

    def change(self):
        """Change what is rendered, and the file of the map."""
        self.version += 1
        self.config.with_name(MAP_NAME).write_text(f"{self.version}")

    def _render(self):
        return RenderedEdge(
            files={"edge.conf": f"{self.version}"},
            main_file="edge.conf",
            secret_files=frozenset(),
            program="true",
            command=lambda folder: ["true", folder],
            check_command=lambda folder: ["true", folder],
            reload=self._load,
        )

    def _load(self, _folder):
        if self.is_busy:
            raise ReloadFailed("Rejected 400")
        self.loaded.append(self.version)


@pytest.fixture(name="edge")
def _edge(tmp_path):
    return Edge(tmp_path)


def test_a_changed_map_is_loaded_once(edge):
    """Nothing is reloaded without a change."""
    edge.change()
    for _ in range(3):
        edge.watch.check_for_changes()
    assert edge.loaded == [1, 2]


def test_an_edge_that_could_not_load_its_files_loads_them_as_soon_as_it_can(edge):
    """A busy one would otherwise read by an old map until the next change. It is reported once."""
    edge.reports.clear()
    edge.is_busy = True
    edge.change()
    for _ in range(3):
        edge.watch.check_for_changes()
    edge.is_busy = False
    for _ in range(3):
        edge.watch.check_for_changes()
    assert edge.loaded == [1, 2]
    assert edge.reports == ["written, but not reloaded: Rejected 400", "written and reloaded"]
