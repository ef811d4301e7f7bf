"""Checks of a response at its virtual instant. The rules have the numbers of the drill.

C1   A receipt has the digest of the uploaded body.
C2   A node never serves a photo after it has stored its tombstone.
C3   A mirror that acknowledged a photo never returns 404 or 410 for it, unless a fault destroys it.
C10  An Idempotency-Key has one photo: one reference, whatever races or fails. All mirrors never
     acknowledge two different photos with it.
C12  A node returns no other status than 200, 404, 410, 502, and 503.
C16  No request is acknowledged on one copy, and a receipt states the durability of the photo.
C17  An acknowledged delete or revocation is in the audit log on two nodes, unless its entry says on
     how few it is.

A final state cannot show C16, because repair adds copies later.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from storagemaster.audit.copies import Durability
from storagemaster.uploads.uploads import UploadRequest
from storagemaster.wire import Copy, Receipt
from storagenode.protocol.audit_log import AUDIT
from storagenode.protocol.layout import Place
from tests.simulation.ledger import Removal, StoredPhoto, version_of
from tests.simulation.simulated_node import FENCE, SimulatedNode
from tests.simulation.world import World
from tests.storagenode.disk.crash_file_system import Contents
from volumes.cluster import NodeId
from volumes.photo_path import (
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    render_path,
)


def check_receipt(
    world: World, receipt: Receipt, body: bytes, request: UploadRequest | None, started: float
) -> None:
    """Check the receipt of an upload."""
    ledger, photo_version = world.ledger, version_of(receipt)
    if receipt.sha256 != hashlib.sha256(body).hexdigest():
        ledger.add_violation(f"C1: the receipt of {photo_version} has another digest than the body")
    copies = durable_copies(world, Variant(photo_version, "o", receipt.format), receipt.sha256)
    is_excused = _was_damaged(world, started) or ledger.is_removal_requested(photo_version)
    if len(copies) < 2 and not is_excused:
        ledger.add_violation(f"C16: {photo_version} was acknowledged with copies on {copies}")
    spans = len({copy.colo for copy in receipt.copies}) > 1
    if (receipt.durability == "mirrored") != spans:
        ledger.add_violation(f"C16: {photo_version} claims {receipt.durability}, unlike its copies")
    if request is None:
        return
    if request.strict and not spans:
        ledger.add_violation(
            f"C16: {photo_version} was uploaded strict, and is {receipt.durability}"
        )
    key = request.idempotency_key
    if key is not None:
        first = ledger.receipts.setdefault(key, receipt)
        if version_of(first) != photo_version:
            ledger.add_violation(f"C10: {key!r} is {first.reference} and {receipt.reference}")
        for other in ledger.races.get(key, ()):
            is_excused = other.pending_mirrors or receipt.pending_mirrors or _was_damaged(world, 0)
            if other.sha256 != receipt.sha256 and not is_excused:
                ledger.add_violation(f"C10: all mirrors of {photo_version} have two photos")


def check_stored(world: World, photo_version: PhotoVersion, sha256: str, started: float) -> None:
    """Check that a resumable upload that looks stored has two durable copies of its bytes."""
    copies = durable_copies(world, Variant(photo_version, "o", "gif"), sha256)
    is_excused = _was_damaged(world, started) or world.ledger.is_removal_requested(photo_version)
    if len(copies) < 2 and not is_excused:
        world.ledger.add_violation(f"C16: {photo_version} looks stored with copies on {copies}")


def check_lost(world: World, photo_version: PhotoVersion, started: float) -> None:
    """Check that a fault has destroyed the bytes of an upload that no node has any more."""
    if not _was_damaged(world, started):
        world.ledger.add_violation(f"C1: the upload of {photo_version} is lost")


def check_removal(world: World, removal: Removal, started: float) -> None:
    """Check an acknowledged delete or revocation."""
    tombstone = tombstone_of(removal)
    copies = durable_copies(world, tombstone)
    if len(copies) < 2 and not _was_damaged(world, started):
        world.ledger.add_violation(f"C16: {render_path(tombstone)} was acknowledged on {copies}")


def check_audit_log(world: World, target: str, logged: Durability, started: float) -> None:
    """Check that the entry of an acknowledged act is as durable as the storagemaster found."""
    wanted = {Durability.MIRRORED: 2, Durability.ONE_COLO: 2, Durability.ONE_NODE: 1}
    entry = f'"target":"{target}"'.encode()
    nodes = [each for each in world.nodes.values() if entry in each.disk.durable_appends(AUDIT)]
    if _was_damaged(world, started):
        return
    colos = {node.node.colo for node in nodes}
    is_in_one = logged is Durability.MIRRORED and len(colos) < 2
    if len(nodes) < wanted.get(logged, 0) or is_in_one:
        names = [node.name for node in nodes]
        world.ledger.add_violation(f"C17: the entry of {target} is on {names}, not {logged.value}")


def tombstone_of(removal: Removal) -> PhotoFile:
    """Return the tombstone of a removal."""
    if removal.version is None:
        return PhotoTombstone(removal.volume, removal.photo)
    return VersionTombstone(PhotoVersion(removal.volume, removal.photo, removal.version))


def mirrors_with(
    world: World, file: PhotoFile, copies: Iterable[Copy], started: float
) -> frozenset[str]:
    """Return the mirrors that have a file according to a response that arrives at this instant.

    A disk can be damaged after its write and before the response. A mirror that was damaged since
    the request started counts only if its copy is intact now.
    """
    path = Place(file).path
    mirrors = [world.nodes[NodeId(copy.node)] for copy in copies if not copy.hint_for]
    return frozenset(
        node.name
        for node in mirrors
        if node.damaged_at < started or _is_intact(node.disk.durable(path))
    )


def _is_intact(contents: Contents | None) -> bool:
    return contents is not None and hashlib.sha256(contents.data).hexdigest() == contents.digest


def check_read(
    world: World, photo: StoredPhoto, node: SimulatedNode, response: Any, started: float
) -> None:
    """Check the response of a node to a read."""
    ledger = world.ledger
    match response.status:
        case 200:
            ledger.record_read(photo, node.name, bytes(response.body))
            if response[FENCE]:
                ledger.add_violation(f"C2: {node.name} serves {photo.photo_version} while fenced")
            for removal in ledger.acknowledged_removals(photo):
                since = removal.acknowledged_at or 0.0
                if node.name in removal.mirrors and node.damaged_at < since < started:
                    ledger.add_violation(
                        f"C2: {node.name} serves {photo.photo_version} after its delete"
                    )
        case 404 | 410:
            has_photo = node.name in photo.mirrors and node.damaged_at < photo.acknowledged_at
            if has_photo and not ledger.is_removal_requested(photo.photo_version):
                ledger.add_violation(
                    f"C3: {node.name} returned {response.status} for {photo.photo_version}"
                )
        case 502 | 503:
            pass
        case status:
            ledger.add_violation(f"C12: {node.name} returned {status} for {photo.photo_version}")


def durable_copies(world: World, file: PhotoFile, digest: str | None = None) -> list[str]:
    """Return the nodes with a file or its hint that survives a power loss at this instant."""
    places = [Place(file), *(Place(file, mirror) for mirror in world.nodes)]
    found = []
    for node in world.nodes.values():
        copies = [node.disk.durable(place.path) for place in places]
        if any(c and digest in {None, hashlib.sha256(c.data).hexdigest()} for c in copies):
            found.append(node.name)
    return found


def _was_damaged(world: World, since: float) -> bool:
    """Return True if a fault has destroyed copies since a time."""
    return any(node.damaged_at >= since for node in world.nodes.values())
