"""Taking the sizes of a photo from a worker and mirroring them, the info last."""

from collections.abc import Mapping

from storagemaster.errors import BadArgument, Unavailable, UnknownVolume
from storagemaster.fleet import Fleet
from storagemaster.info_cache import InfoCache
from storagemaster.mirroring import Copies, Mirroring
from storagemaster.placement import NoPlace, Target, place_in_volume
from storagenode.client import NodeClient
from storagenode.wire import parse_bundle
from volumes.cluster import Cluster, NodeId
from volumes.photo_path import Failure, Info, InvalidPath, PhotoVersion, Variant, parse_path


class Bundles:
    """Mirrors bundles of sizes."""

    def __init__(
        self,
        cluster: Cluster,
        nodes: Mapping[NodeId, NodeClient],
        fleet: Fleet,
        mirroring: Mirroring,
        cache: InfoCache,
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet
        self._mirroring = mirroring
        self._cache = cache

    async def take(self, of: PhotoVersion, body: bytes, *, mtime_seconds: int) -> Copies:
        """Mirror a bundle; every file of it is fsynced on two nodes on return.

        Raises:
            BadArgument: It is not a bundle of this version's sizes.
            UnknownVolume, PhotoGone: As their names say.
            Unavailable: There are not two nodes that took it.
        """
        if of.volume not in self._cluster.volumes:
            raise UnknownVolume(f"volume {of.volume} is not in the cluster's config")
        info = _check(of, body)
        volume = self._cluster.volumes[of.volume]
        placed = place_in_volume(self._cluster, self._fleet.view(), volume, strict=False)
        if isinstance(placed, NoPlace):
            raise Unavailable(f"{placed.reason}; the sizes were not kept, try again")

        async def put(target: Target) -> None:
            await self._nodes[target.node].put_bundle(
                of, body, owed_to=target.owed_to, mtime_seconds=mtime_seconds
            )

        copies = await self._mirroring.write_all(placed, put)
        if info is not None:
            await self._cache.put(of, info)
        return copies


def _check(of: PhotoVersion, body: bytes) -> bytes | None:
    """The info document of this version's bundle, if it has one; raises if it is no bundle."""
    files = parse_bundle(body)
    for position, bundled in enumerate(files):
        try:
            file = parse_path(bundled.path)
        except InvalidPath as error:
            raise BadArgument(str(error)) from error
        match file:
            case Variant() if file.of == of and not file.is_original:
                pass
            case Info() if file.of == of and position == len(files) - 1:
                return bundled.data
            case Failure() if file.of == of and len(files) == 1:
                pass
            case _:
                raise BadArgument(f"{bundled.path} cannot stand at this place in a bundle of {of}")
    return None
