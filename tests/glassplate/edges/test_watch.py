"""The files of an edge follow the config, the volume map, and the keys."""

import pytest

from glassplate.edges.reload import ReloadFailed
from glassplate.edges.rendered_edge import RenderedEdge
from glassplate.edges.watch import POLL_SECONDS, EdgeWatch
from tests.volumes.config.test_cluster_config import SMALLEST
from volumes.config.cluster_file import MAP_NAME


class Edge:
    """An edge whose files say which version they are, and which can refuse to load them."""

    def __init__(self, folder):
        self.version = 1
        self.is_busy = False
        self.rejects = False
        self.loaded = []
        self.reports = []
        self.config = folder / "cluster.toml"
        self.config.write_text(SMALLEST)
        (folder / "keys.toml").write_text("")
        self.now = 0.0
        self.pid_file = folder / "edge.pid"
        self.tries = 0
        self.renders = 0
        self.watch = EdgeWatch(
            self.config,
            self._render,
            folder / "edge",
            check=False,
            report=self.reports.append,
            clock=lambda: self.now,
        )
        self.watch.check_for_changes()

    def change(self):
        """Change what is rendered, and the file of the map."""
        self.version += 1
        self.config.with_name(MAP_NAME).write_text(f"{self.version}")

    def watch_for(self, *, seconds):
        """Look for changes as often as the command does."""
        for _ in range(int(seconds / POLL_SECONDS)):
            self.watch.check_for_changes()
            self.now += POLL_SECONDS

    def _render(self):
        self.renders += 1
        return RenderedEdge(
            files={"edge.conf": f"{self.version}"},
            main_file="edge.conf",
            secret_files=frozenset(),
            program="false" if self.rejects else "true",
            command=lambda folder: ["true", folder],
            check_command=lambda folder: ["false" if self.rejects else "true", folder],
            reload=self._load,
            pid_file=self.pid_file,
        )

    def _load(self, _folder):
        self.tries += 1
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
    edge.watch_for(seconds=2)
    edge.is_busy = False
    edge.watch_for(seconds=2)
    assert edge.loaded == [1, 2]
    assert edge.reports == ["written, but not reloaded: Rejected 400", "written and reloaded"]


def test_an_edge_that_is_down_is_tried_every_five_seconds(edge):
    """Each try starts a process, which writes to the log of the server. It is reported once."""
    edge.reports.clear()
    edge.is_busy = True
    edge.change()
    edge.watch_for(seconds=600)
    assert 115 <= edge.tries <= 125
    assert len(edge.reports) == 1


def test_an_edge_that_starts_again_loads_its_files_at_once(edge):
    """It can have read the files before the last change."""
    edge.is_busy = True
    edge.change()
    edge.watch_for(seconds=600)
    edge.is_busy = False
    edge.pid_file.write_text("1")
    edge.watch_for(seconds=POLL_SECONDS)
    assert edge.loaded == [1, 2]


def test_another_change_of_an_edge_that_is_down_is_written_at_once(edge):
    """The edge reads its files when it starts."""
    edge.is_busy = True
    edge.change()
    edge.watch_for(seconds=600)
    edge.change()
    edge.watch_for(seconds=POLL_SECONDS)
    assert (edge.config.parent / "edge" / "edge.conf").read_text() == "3"


def test_files_that_the_server_rejects_are_checked_every_five_seconds(edge):
    """A check starts a process. A correction of the config is checked at once."""
    edge.reports.clear()
    edge.watch.check = True
    edge.rejects = True
    edge.change()
    edge.renders = 0
    edge.watch_for(seconds=600)
    assert 115 <= edge.renders <= 125
    (report,) = edge.reports
    assert report.startswith("not changed: ")
    edge.rejects = False
    edge.change()
    edge.watch_for(seconds=POLL_SECONDS)
    assert edge.loaded == [1, 3]
