"""Photos and bytes of each volume, as its mirrors reported them when they were last compared."""

from collections import defaultdict
from collections.abc import Mapping

from storagenode.protocol.files import VolumeSummary
from volumes.cluster import Cluster, NodeId
from volumes.photo_path import VolumeId


class KnownContents:
    """The last summary of each volume on each node, also of nodes that are down now."""

    def __init__(self) -> None:
        self._by_volume: defaultdict[VolumeId, dict[NodeId, VolumeSummary]] = defaultdict(dict)

    def record(self, node: NodeId, summaries: Mapping[VolumeId, VolumeSummary]) -> None:
        """Record what a node reported."""
        for volume, summary in summaries.items():
            self._by_volume[volume][node] = summary

    def of(self, volume: VolumeId) -> Mapping[NodeId, VolumeSummary]:
        """Return the summary of a volume by node, empty before the first comparison."""
        return self._by_volume.get(volume, {})

    def totals(self, cluster: Cluster) -> dict[NodeId, tuple[int, int]]:
        """Return photos and bytes of each node, without nodes that have not reported them all."""
        found = dict.fromkeys(cluster.nodes, (0, 0))
        unknown: set[NodeId] = set()
        for volume in cluster.volumes.values():
            summaries = self.of(volume.number)
            for node in volume.mirrors:
                if (summary := summaries.get(node)) is None:
                    unknown.add(node)
                else:
                    photos, size = found[node]
                    found[node] = (photos + summary.photos, size + summary.bytes)
        return {node: total for node, total in found.items() if node not in unknown}
