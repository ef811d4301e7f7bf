"""Photos and bytes of each volume, as its mirrors reported them when they were last compared."""

from collections import defaultdict
from collections.abc import Mapping

from storagenode.protocol.files import VolumeSummary
from volumes.cluster import NodeId
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
        """Return the summary of a volume by node, sorted, empty before the first comparison."""
        return dict(sorted(self._by_volume.get(volume, {}).items()))
