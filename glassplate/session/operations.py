"""Operator requests: compare and repair volumes, find and explain photos, and scrub disks."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from glassplate.urls.references import parse_photo, parse_reference
from storagemaster import wire
from storagemaster.wire import Receipt
from volumes.photo_path import PhotoVersion

if TYPE_CHECKING:
    from glassplate.session.cluster_session import ClusterSession
    from glassplate.session.tiering import Tiering

# A storagemaster may copy a whole volume between colos before it responds.
REPAIR_SECONDS_MAX = 24 * 3600.0
# A storagemaster copies the whole photo before it responds.
UNDELETE_SECONDS_MIN = 300.0
# A storagemaster reads the whole log of the days from all nodes.
AUDIT_SECONDS_MIN = 300.0


# Nodes read a large map, and create the directories of their new volumes.
MAP_SECONDS_MIN = 60.0


class Operations(ABC):
    """The part of a client that is for operators."""

    _edges: tuple[str, ...]

    async def diff(self, volume: int) -> dict[str, Any]:
        """Return the steps that would make the mirrors of a volume equal.

        The document has `equal`, the `unreachable` mirrors, the `steps` (`action`, `node`, `path`,
        `source`, `bytes`), their `copy_bytes`, and the `conflicts` (`reference`, `originals`).

        Raises:
            NotFound: The volume does not exist.
        """
        return await self._opened().request(wire.DIFF, dict, {"volume": volume})

    async def repair(self, volume: int) -> dict[str, Any]:
        """Make the mirrors of a volume equal, and return the result.

        The document has the new `equal`, the `unreachable` mirrors, the number of steps `done`,
        `copied_bytes`, the `failed` steps with a `reason` each, and the `conflicts`.

        Raises:
            NotFound: The volume does not exist.
        """
        return await self._opened().request(
            wire.REPAIR,
            dict,
            {"volume": volume},
            response_seconds_min=REPAIR_SECONDS_MAX,
        )

    @property
    def tiering(self) -> "Tiering":
        """Tiering of volumes."""
        from glassplate.session.tiering import Tiering

        return Tiering(self._opened())

    async def undelete(self, reference: str | PhotoVersion) -> Receipt:
        """Restore the deleted photo VOLUME/PHOTO from the trash, as a new photo.

        The receipt has the new reference and URLs. The old ones stay invalid. It is safe to repeat:
        the result is the same new photo.

        Raises:
            NotFound: The photo was not deleted, or it has left the trash.
            PhotoGone: The photo was restored before, and the new one was deleted.
        """
        deleted = parse_reference(reference)
        return await self._opened().request(
            wire.UNDELETE,
            wire.parse_receipt,
            asdict(deleted),
            response_seconds_min=UNDELETE_SECONDS_MIN,
        )

    async def find(self, photo: str) -> dict[str, Any]:
        """Return every file of a photo on every node: live, hints, trash, and quarantine.

        The document has `files` (`node`, `colo`, `location`, `hint_for`, `path`), and
        `unreachable`: the reasons by node.
        """
        return await self._opened().request(wire.FIND, dict, {"photo": parse_photo(photo)})

    async def explain(self, photo: str | PhotoVersion) -> dict[str, Any]:
        """Return all facts about a photo, and the response to a GET of its URL.

        `photo` is a permission URL, which is also requested from all known edges,
        VOLUME/PHOTO/VERSION, or VOLUME/PHOTO. A storagemaster requests the photo from its mirrors
        and from the edges. The document has the responses of the `edges`, the
        `target`, the `answer` (`status`, `reason`), the `permission` of a URL, the photo's
        `mirrors`, `copies`, `tombstones`, and `hints`, the `versions` with the state of their sizes
        and jobs, and `unreachable`: the reasons by node. It never contains a MAC.

        Raises:
            BadReference: `photo` has another form.
            NotFound: The volume does not exist.
        """
        from glassplate.urls.explaining import explain, parse_target

        target = parse_target(photo)
        permission = self._check_permission(target.request_target)
        if target.volume is None or target.photo is None:
            return explain(target, None, permission)
        fields = {"volume": target.volume, "photo": target.photo}
        query = []
        if target.version is not None:
            query = [("version", target.version), ("size", target.size)]
            query += [("ext", target.ext)] if target.ext else []
        found = await self._opened().request(wire.EXPLAIN, dict, fields, query)
        edges = []
        if target.request_target:
            edges = await self._opened().responses_of(self._edges, target.request_target)
        return explain(target, found, permission, edges)

    async def scrubs(self, node: str | None = None) -> dict[str, Any]:
        """Return the scrub progress of a node, or of all nodes.

        The document has `nodes`, and `unreachable`: the reasons by node.
        """
        return await self._opened().request(wire.SCRUBS, dict, query=_node_query(node))

    async def scrub(self, node: str | None = None) -> dict[str, Any]:
        """Start another scrub pass after the current one, and return the progress before it.

        The document is that of `scrubs`.
        """
        return await self._opened().request(wire.START_SCRUBS, dict, query=_node_query(node))

    async def audit(
        self,
        *,
        since: str | None = None,
        until: str | None = None,
        kind: Literal["acts", "uploads"] = "acts",
        act: str | None = None,
        caller: str | None = None,
        photo: str | None = None,
        limit: int = wire.AUDIT_ENTRIES,
        verify: bool = False,
    ) -> dict[str, Any]:
        """Return entries of the audit log, the latest first; days are YYYY-MM-DD, in UTC.

        Without days, they are of today. `caller` is a token's id or an application. The document
        has `entries`, `is_complete`, `unreachable`: the reasons by node, and with `verify` the
        number of `lines` of these days and the `findings` (`fault`, `text`).
        """
        given = {"since": since, "until": until, "act": act, "caller": caller, "photo": photo}
        query = [(name, text) for name, text in given.items() if text]
        query += [("kind", kind), ("limit", str(limit)), ("verify", str(int(verify)))]
        return await self._opened().request(
            wire.AUDIT, dict, query=query, response_seconds_min=AUDIT_SECONDS_MIN
        )

    async def unfence(self, node: str) -> dict[str, Any]:
        """Make a node serve its photos although it may have missed deletes.

        The document has `node`, and `volumes`: the number of volumes that it did not serve before.
        """
        return await self._opened().request(wire.UNFENCE, dict, {"node": node})

    async def volume_map(self, change: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the volume map in force or, with a change, the next one.

        The first has `version`, `digest`, `why`, `text` (None for version 1, which is
        `cluster.toml`), `lagging` nodes, `votes`, and `is_stuck`. A change has `tables`,
        `after_version`, `why`, and `apply`; its result has `version`, `digest`, `applied`, and
        `changes`.
        """
        if change is None:
            return await self._opened().request(wire.MAP, dict)
        body = json.dumps(change).encode()
        return await self._opened().request(
            wire.NEXT_MAP, dict, json_body=body, response_seconds_min=MAP_SECONDS_MIN
        )

    async def map_log(self, limit: int | None = None) -> dict[str, Any]:
        """Return the last versions of the volume map, the newest first.

        Each of `versions` has `version`, `digest`, `at`, `by`, `why`, and `changes`, which are None
        if no node has the version before. `is_complete` is False if a version is missing.
        """
        query = [] if limit is None else [("limit", str(limit))]
        return await self._opened().request(
            wire.MAP_LOG, dict, query=query, response_seconds_min=MAP_SECONDS_MIN
        )

    @abstractmethod
    def _check_permission(self, target: str) -> dict[str, Any] | None:
        """Check the permission of a request target; None if `target` is empty."""

    @abstractmethod
    def _opened(self) -> "ClusterSession":
        """Return the open session."""


def _node_query(node: str | None) -> list[tuple[str, str]]:
    return [("node", node)] if node else []
