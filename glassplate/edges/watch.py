"""Updates of an edge whenever the config or the keys of its cluster change.

An invalid config or key file is reported once and changes nothing: the edge keeps its files.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from glassplate.edges.reload import ReloadFailed
from glassplate.edges.rendered_edge import ConfigRejected, RenderedEdge, write_edge
from permission_urls import KeyRingError
from proxy_config.errors import ProxyConfigError
from volumes.config.cluster_file import MAP_NAME, load_cluster
from volumes.config.config_reader import InvalidConfig

POLL_SECONDS = 0.5


@dataclass(slots=True)
class EdgeWatch:
    """Follows the config of a cluster, its map, and the key file that it names."""

    cluster_path: Path
    render: Callable[[], RenderedEdge]
    folder: Path
    check: bool
    report: Callable[[str], None]
    _seen: tuple[bytes, ...] | None = None
    _keys_file: tuple[bytes, str] = (b"", "")
    """The config that was parsed last, and the key file that it names."""
    _reported: str = ""
    _unloaded: RenderedEdge | None = None
    """The edge that was written, and has not loaded it yet."""

    def run(self) -> None:
        """Poll until interrupted."""
        while True:
            self.check_for_changes()
            time.sleep(POLL_SECONDS)

    def check_for_changes(self) -> None:
        """Write the edge if its config, map, or keys have changed; reload it until it succeeds."""
        try:
            found = self._sources()
            if found != self._seen:
                edge = self.render()
                if not _is_written(edge, self.folder):
                    write_edge(edge, self.folder, check=self.check)
                    self._unloaded = edge
        except (ConfigRejected, InvalidConfig, KeyRingError, OSError, ProxyConfigError) as error:
            self._report_once(f"not changed: {error}")
            return
        self._seen = found
        if self._unloaded is None:
            self._reported = ""
        else:
            self._reload(self._unloaded)

    def _reload(self, edge: RenderedEdge) -> None:
        try:
            edge.reload(str(self.folder))
        except ReloadFailed as error:
            # A busy Varnish can be too late even for its own password.
            self._report_once(f"written, but not reloaded: {error}")
        else:
            self._unloaded, self._reported = None, ""
            self.report("written and reloaded")

    def _sources(self) -> tuple[bytes, ...]:
        config = self.cluster_path.read_bytes()
        if config != self._keys_file[0]:
            self._keys_file = config, load_cluster(self.cluster_path).keys_file
        map_path = self.cluster_path.with_name(MAP_NAME)
        newer_map = map_path.read_bytes() if map_path.exists() else b""
        return config, newer_map, Path(self._keys_file[1]).read_bytes()

    def _report_once(self, reason: str) -> None:
        if reason != self._reported:
            self.report(reason)
        self._reported = reason


def _is_written(edge: RenderedEdge, folder: Path) -> bool:
    return all(
        (folder / name).exists() and (folder / name).read_text() == text
        for name, text in edge.files.items()
    )
