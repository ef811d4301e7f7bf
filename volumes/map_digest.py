"""A digest of the volume map, which finds processes with different configs."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from volumes.cluster import Cluster


def map_digest(cluster: Cluster) -> str:
    """Return a digest of what all processes and edges must agree on.

    Paths of one machine, such as that of a store or of the key file, are not in it.
    """
    agreed: dict[str, Any] = {
        "nodes": [[n.id, n.colo, str(n.read), str(n.write)] for n in cluster.nodes.values()],
        "volumes": [[v.number, list(v.mirrors), v.state.value] for v in cluster.volumes.values()],
        "masters": [[m.id, m.colo, str(m.address)] for m in cluster.masters.values()],
        "edges": [[e.id, e.kind, str(e.listen), str(e.purge)] for e in cluster.edges.values()],
        "sizes": [repr(size) for size in cluster.sizes],
        "formats": repr(cluster.variant_formats),
        "public_url": cluster.public_url,
    }
    return hashlib.sha256(json.dumps(agreed).encode()).hexdigest()[:16]


class FollowedDigest:
    """The digest of a cluster whose map changes. It is computed once for each map."""

    def __init__(self, follow: Callable[[], Cluster]) -> None:
        self._follow = follow
        self._cluster = follow()
        self._digest = map_digest(self._cluster)

    def now(self) -> str:
        """Return the digest of the present map."""
        if (cluster := self._follow()) is not self._cluster:
            self._cluster, self._digest = cluster, map_digest(cluster)
        return self._digest
