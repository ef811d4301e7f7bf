"""What operators ask of a cluster: compare and repair volumes, look for photos, check disks."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from glassplate.session.exchange import Request
from glassplate.urls.references import parse_photo, parse_reference
from storagemaster import wire
from storagemaster.wire import Receipt
from volumes.photo_path import PhotoVersion

if TYPE_CHECKING:
    from glassplate.session.cluster_session import ClusterSession
    from glassplate.session.tiering import Tiering

# A whole volume may have to be copied from one colo to another before there is an answer.
REPAIR_SECONDS_MAX = 24 * 3600.0


class Operations(ABC):
    """The part of a client that applications have no use for."""

    async def diff(self, volume: int) -> dict[str, Any]:
        """What would make the mirrors of a volume equal; nothing is changed.

        The document has `equal`, the mirrors that are `unknown` because they cannot be asked, the
        `steps` to be done (`do`, `node`, `path`, `source`, `bytes`), their `copy_bytes`, and the
        `conflicts` that only a person can settle.

        Raises:
            NotFound: There is no such volume.
        """
        return await self._opened().ask(Request(route=wire.DIFF, fields={"volume": volume}))

    async def repair(self, volume: int) -> dict[str, Any]:
        """Make the mirrors of a volume equal; what was done, and what was not and why.

        The document has `equal` as it is now, the mirrors that are `unknown`, the number of steps
        `done`, `copied_bytes`, the steps that `failed` with a `reason` each, and the `conflicts`.

        Raises:
            NotFound: There is no such volume.
        """
        return await self._opened().ask(
            Request(
                route=wire.REPAIR,
                fields={"volume": volume},
                answer_seconds_min=REPAIR_SECONDS_MAX,
            )
        )

    @property
    def tiering(self) -> "Tiering":
        """What moves the large sizes of volumes to other nodes, and back."""
        return self._opened().tiering

    async def undelete(self, reference: str | PhotoVersion) -> Receipt:
        """Bring the photo that VOLUME/PHOTO names back from the trash, as a new photo.

        The receipt has its new reference and URLs; the old ones stay dead. Doing it again is
        harmless, and is answered with the same new photo.

        Raises:
            NotFound: It was not deleted, or so long ago that the trash has forgotten it.
            PhotoGone: It was brought back before, and deleted again.
        """
        return await self._opened().undelete(parse_reference(reference))

    async def find(self, photo: str) -> dict[str, Any]:
        """Every path of a photo on every node: at home, owed, in the trash, in quarantine.

        The document has `found` (`node`, `colo`, `where`, `hint_for`, `path`), and `unknown`: the
        nodes that could not be asked, and why.
        """
        fields = {"photo": parse_photo(photo)}
        return await self._opened().ask(Request(route=wire.FIND, fields=fields))

    async def explain(self, photo: str | PhotoVersion) -> dict[str, Any]:
        """All there is to know of a photo, and what a GET of its URL would be answered, and why.

        `photo` is a permission URL, VOLUME/PHOTO/VERSION, or VOLUME/PHOTO. The document never has a
        MAC. It says what was `asked` for, the `answer` (`status`, `because`), what the `permission`
        of a URL is worth, the photo's `mirrors`, `copies`, `tombstones`, `owed` work and `versions`
        with the state of their sizes and jobs, and which nodes are `unknown`, and why.

        Raises:
            BadReference: It is none of those.
            NotFound: There is no such volume.
        """
        from glassplate.urls.explaining import explain, parse_target

        asked = parse_target(photo)
        if asked.volume is None or asked.photo is None:
            return explain(asked, None, self._judge(asked.target))
        fields = {"volume": asked.volume, "photo": asked.photo}
        found = await self._opened().ask(Request(route=wire.EXPLAIN, fields=fields))
        return explain(asked, found, self._judge(asked.target))

    async def scrubs(self, node: str | None = None) -> dict[str, Any]:
        """How far the scrub of a node is, or of all: bytes read again, and what was corrupt.

        The document has `nodes`, and `unknown`: those that could not be asked, and why.
        """
        return await self._opened().ask(Request(route=wire.SCRUBS, query=_node_query(node)))

    async def scrub(self, node: str | None = None) -> dict[str, Any]:
        """Have another pass begin as soon as the present one has ended.

        The document is that of `scrubs`, from before.
        """
        return await self._opened().ask(Request(route=wire.START_SCRUBS, query=_node_query(node)))

    @abstractmethod
    def _judge(self, target: str) -> dict[str, Any] | None:
        """What the permission of a request target is worth; None if it has none."""

    @abstractmethod
    def _opened(self) -> "ClusterSession":
        """What speaks to the cluster."""


def _node_query(node: str | None) -> list[tuple[str, str]]:
    return [("node", node)] if node else []
