"""The volume map: the processes and volumes of a cluster, as one version of them.

Version 1 is `cluster.toml`. Each later version names the digest of the version before it, and is
written once.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from volumes.cluster import Cluster, Node
from volumes.config.map_tables import MapTables


@dataclass(frozen=True, slots=True, kw_only=True)
class MapId:
    """A version, and a digest of its content: two maps can claim one version."""

    version: int
    digest: str

    def __str__(self) -> str:
        return f"{self.version} ({self.digest})"


@dataclass(frozen=True, kw_only=True)
class VolumeMap:
    """One version of the map."""

    version: int
    after: str
    """Digest of the version before it; empty for the first."""
    why: str
    """The operator's reason."""
    tables: MapTables
    at: str = ""
    """The time at which it was made, for people; empty for `cluster.toml`."""
    by: str = ""
    """The person or the process that made it, as it states."""

    @cached_property
    def id(self) -> MapId:
        """The version with the digest. Paths of one machine are not in the digest."""
        content = [self.version, self.after, _agreed(self.tables)]
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
        return MapId(version=self.version, digest=digest)


def map_of(cluster: Cluster) -> VolumeMap:
    """Return the map that the tables of a cluster come from, without its reason."""
    return VolumeMap(
        version=cluster.map_version, after=cluster.map_after, why="", tables=tables_of(cluster)
    )


def tables_of(cluster: Cluster) -> MapTables:
    """Return the tables of a cluster's map."""
    names = (each.name for each in dataclasses.fields(MapTables))
    return MapTables(**{name: getattr(cluster, name) for name in names})


def with_map(cluster: Cluster, volume_map: VolumeMap) -> Cluster:
    """Return the cluster with the tables of a map."""
    tables = {
        each.name: getattr(volume_map.tables, each.name) for each in dataclasses.fields(MapTables)
    }
    return dataclasses.replace(
        cluster,
        map_version=volume_map.version,
        map_after=volume_map.after,
        first=cluster.first or cluster,
        **tables,
    )


def _agreed(tables: MapTables) -> dict[str, Any]:
    return {
        "nodes": list(map(_agreed_of_node, tables.nodes.values())),
        "gone_nodes": list(map(_agreed_of_node, tables.gone_nodes.values())),
        "volumes": [
            [v.number, v.mirrors, v.joining, v.leaving, v.state.value, v.since]
            for v in tables.volumes.values()
        ],
        "masters": [
            [m.id, m.colo, str(m.address), str(m.internal or "")] for m in tables.masters.values()
        ],
        "edges": [
            [e.id, e.colo, e.kind, str(e.listen), str(e.purge)] for e in tables.edges.values()
        ],
        "ingests": [[i.id, i.colo, str(i.listen)] for i in tables.ingests.values()],
    }


def _agreed_of_node(n: Node) -> list[Any]:
    return [n.id, n.colo, str(n.read), str(n.write), str(n.bucket or ""), n.state.value, n.weight]
