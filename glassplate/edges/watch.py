"""Updates of an edge whenever the config or the keys of its cluster change.

An invalid config or key file is reported once and changes nothing: the edge keeps its files. What
has failed is tried again after a pause that doubles, because each try renders files or starts a
process, and at once if a file has changed or the server has started.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from glassplate.edges.reload import ReloadFailed
from glassplate.edges.rendered_edge import ConfigRejected, RenderedEdge, write_edge
from permission_urls import KeyRingError
from proxy_config.errors import ProxyConfigError
from volumes.config.cluster_file import MAP_NAME, load_cluster
from volumes.config.config_reader import InvalidConfig

POLL_SECONDS = 0.5
# A busy server can refuse a reload, and new keys have to reach it soon.
PAUSE_SECONDS_MAX = 5.0

_Stamp = tuple[int, int, int] | None


@dataclass(slots=True)
class RetryPause:
    """The pause after a failure, twice as long after each one with the same causes."""

    clock: Callable[[], float]
    _causes: object = None
    _seconds: float = 0.0
    _ends_seconds: float = 0.0

    def is_over(self, causes: object) -> bool:
        """Return True if the last failure is long ago, or the causes have changed since."""
        return causes != self._causes or self.clock() >= self._ends_seconds

    def begin(self, causes: object) -> None:
        """Begin a pause after a failure."""
        is_repeated = causes == self._causes
        self._seconds = min(2 * self._seconds, PAUSE_SECONDS_MAX) if is_repeated else POLL_SECONDS
        self._causes, self._ends_seconds = causes, self.clock() + self._seconds

    def end(self) -> None:
        """Forget the failures."""
        self._causes = None


@dataclass(slots=True)
class EdgeWatch:
    """Follows the config of a cluster, its map, and the key file that it names."""

    cluster_path: Path
    render: Callable[[], RenderedEdge]
    folder: Path
    check: bool
    report: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _pause: RetryPause = field(init=False)
    _seen: tuple[bytes, ...] | None = None
    _keys_file: tuple[bytes, str] = (b"", "")
    """The config that was parsed last, and the key file that it names."""
    _reported: str = ""
    _unloaded: RenderedEdge | None = None
    """The edge that was written, and has not loaded it yet."""

    def __post_init__(self) -> None:
        self._pause = RetryPause(self.clock)

    def run(self) -> None:
        """Poll until interrupted."""
        while True:
            self.check_for_changes()
            time.sleep(POLL_SECONDS)

    def check_for_changes(self) -> None:
        """Write the edge if its config, map, or keys have changed; reload it until it succeeds."""
        causes = self._causes()
        if not self._pause.is_over(causes):
            return
        try:
            found = self._sources()
            if found != self._seen:
                edge = self.render()
                if not _is_written(edge, self.folder):
                    write_edge(edge, self.folder, check=self.check)
                    self._unloaded = edge
        except (ConfigRejected, InvalidConfig, KeyRingError, OSError, ProxyConfigError) as error:
            self._fail(f"not changed: {error}", causes)
            return
        self._seen = found
        if self._unloaded is None:
            self._succeed()
        else:
            self._reload(self._unloaded, causes)

    def _reload(self, edge: RenderedEdge, causes: tuple[_Stamp, ...]) -> None:
        try:
            edge.reload(str(self.folder))
        except ReloadFailed as error:
            # A busy Varnish can be too late even for its own password.
            self._fail(f"written, but not reloaded: {error}", causes)
        else:
            self._unloaded = None
            self._succeed()
            self.report("written and reloaded")

    def _causes(self) -> tuple[_Stamp, ...]:
        """Return what changes as soon as another try can succeed: files, and a start."""
        files = [self.cluster_path, self.cluster_path.with_name(MAP_NAME)]
        if self._keys_file[1]:
            files.append(Path(self._keys_file[1]))
        if self._unloaded is not None:
            files.append(self._unloaded.pid_file)
        return tuple(map(_stamp, files))

    def _sources(self) -> tuple[bytes, ...]:
        config = self.cluster_path.read_bytes()
        if config != self._keys_file[0]:
            self._keys_file = config, load_cluster(self.cluster_path).keys_file
        map_path = self.cluster_path.with_name(MAP_NAME)
        newer_map = map_path.read_bytes() if map_path.exists() else b""
        return config, newer_map, Path(self._keys_file[1]).read_bytes()

    def _fail(self, reason: str, causes: tuple[_Stamp, ...]) -> None:
        """Begin a pause, and report the reason unless it was the last one."""
        self._pause.begin(causes)
        if reason != self._reported:
            self.report(reason)
        self._reported = reason

    def _succeed(self) -> None:
        self._pause.end()
        self._reported = ""


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _is_written(edge: RenderedEdge, folder: Path) -> bool:
    return all(
        (folder / name).exists() and (folder / name).read_text() == text
        for name, text in edge.files.items()
    )
