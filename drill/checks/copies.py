"""Copies of each original while the map changes: they never fall below two.

The disks are read directly, without the nodes. A copy counts on the nodes that the map in force
names for its volume.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path

from drill.cluster.drill_cluster import DrillCluster
from drill.cluster.stores import photo_files_below
from glassplate.errors import GlassplateError
from runtime.tasks_beside import run_beside
from volumes.cluster import Cluster
from volumes.photo_path import Variant, VolumeId, parse_path

WATCH_SECONDS = 1.0
COPIES_MIN = 2


class CopyCount:
    """The nodes that ever held each original, and the originals that lost copies."""

    def __init__(self) -> None:
        self.shortages: dict[str, str] = {}
        """By path: what was seen. A path that a client has removed may be among them."""
        self._held: dict[str, set[str]] = defaultdict(set)

    def count(self, cluster: Cluster, found: Mapping[str, Iterable[str]]) -> list[str]:
        """Count the originals found on each node; return the paths with too few copies.

        A removed node counts no longer: what it held was moved, or lost with it.
        """
        holders: dict[str, set[str]] = defaultdict(set)
        for node, paths in found.items():
            for path in paths:
                if node in _homes(cluster, path):
                    holders[path].add(node)
        for path, nodes in holders.items():
            self._held[path] |= nodes
        return [path for path in self._held if self._is_short(cluster, path, holders[path])]

    def add_shortage(self, cluster: Cluster, path: str, holders: set[str]) -> None:
        """Record an original whose copies are still too few when looked at again."""
        if self._is_short(cluster, path, holders):
            version = cluster.map_version
            self.shortages.setdefault(path, f"only on {sorted(holders)} with map {version}")

    def _is_short(self, cluster: Cluster, path: str, holders: set[str]) -> bool:
        known = self._held[path].difference(cluster.gone_nodes)
        return len(holders) < min(COPIES_MIN, len(known))


@contextlib.asynccontextmanager
async def watch_copies(drill_cluster: DrillCluster) -> AsyncIterator[CopyCount]:
    """Count the copies of all originals each second until the block exits."""
    counted = CopyCount()

    async def watch() -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            with contextlib.suppress(GlassplateError):
                await drill_cluster.read_map()
                await asyncio.to_thread(_look, drill_cluster, counted)

    async with run_beside(watch()):
        yield counted


def _look(drill_cluster: DrillCluster, counted: CopyCount) -> None:
    """Count once. A copy can move between two folders while they are listed: look again."""
    cluster, roots = drill_cluster.cluster, drill_cluster.roots
    found = {node: list(_originals(root)) for node, root in roots.items()}
    for path in counted.count(cluster, found):
        held = {n for n in _homes(cluster, path) if n in roots and (roots[n] / path).exists()}
        counted.add_shortage(cluster, path, held)


def _originals(root: Path) -> Iterator[str]:
    for path, _ in photo_files_below(root):
        file = parse_path(path)
        if isinstance(file, Variant) and file.is_original:
            yield path


def _homes(cluster: Cluster, path: str) -> tuple[str, ...]:
    volume = cluster.volumes.get(VolumeId(int(path.partition("/")[0])))
    return volume.homes if volume else ()
