"""The cluster by the map in force, as the file beside `cluster.toml` has it."""

import logging
from pathlib import Path

from volumes.cluster import Cluster
from volumes.config.cluster_file import MAP_NAME, load_cluster
from volumes.config.config_reader import InvalidConfig

log = logging.getLogger(__name__)


class FollowedCluster:
    """A cluster that is loaded again when the file of its map changes. An invalid file is skipped.

    `cluster.toml` itself is read once, at the start.
    """

    def __init__(self, path: Path) -> None:
        """Load the cluster; raises as `load_cluster`."""
        self._path = path
        self._map_path = path.with_name(MAP_NAME)
        self._seen = self._stamp()
        self._cluster = load_cluster(path)

    def now(self) -> Cluster:
        """Return the cluster by the newest map."""
        if (stamp := self._stamp()) != self._seen:
            self._seen = stamp
            try:
                self._cluster = load_cluster(self._path)
            except (InvalidConfig, OSError) as error:
                log.warning("the volume map was not followed: %s", error)
        return self._cluster

    def _stamp(self) -> tuple[int, int]:
        try:
            found = self._map_path.stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns
