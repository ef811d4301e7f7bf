"""Whether an answer is true at the moment it is given. Each rule has the number of its promise.

C1   whoever gets bytes gets those that were uploaded
C2   a node that has taken a tombstone never serves what it covers again
C3   what was acknowledged is never "not found"
C10  one Idempotency-Key, one photo
C16  nothing is acknowledged on one copy, and a receipt says how durable it is
"""

import hashlib
from typing import Any

from storagemaster.uploads.uploads import UploadRequest
from storagemaster.wire import Receipt
from storagenode.protocol.layout import Place
from tests.simulation.ledger import EXT, Kept, Removal, version_of
from tests.simulation.simulated_node import SimulatedNode
from tests.simulation.world import World
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
    """An upload was acknowledged."""
    ledger, photo_version = world.ledger, version_of(receipt)
    if receipt.sha256 != hashlib.sha256(body).hexdigest():
        ledger.violation(f"C1: the receipt of {photo_version} is for other bytes")
    copies = durable_copies(world, Variant(photo_version, "o", EXT), receipt.sha256)
    is_excused = _was_damaged(world, started) or ledger.is_removal_asked(photo_version)
    if len(copies) < 2 and not is_excused:
        ledger.violation(f"C16: {photo_version} was acknowledged with copies on {copies}")
    spans = len({copy.colo for copy in receipt.copies}) > 1
    if (receipt.durability == "mirrored") != spans:
        ledger.violation(f"C16: {photo_version} says {receipt.durability}, and its copies do not")
    if request is None:
        return
    if request.strict and not spans:
        ledger.violation(f"C16: {photo_version} was to be strict, and is {receipt.durability}")
    key = request.idempotency_key
    if key is not None:
        first, told_at = ledger.receipts.setdefault(key, (receipt, ledger.now()))
        # Of two that are at it at once, neither can know which volume the other has found; nor can
        # one colo know what the other has kept by itself.
        is_known = told_at <= started and first.durability == "mirrored"
        if version_of(first) != photo_version and (is_known or first.photo != receipt.photo):
            ledger.violation(f"C10: {key!r} is {first.reference} and {receipt.reference}")


def check_removal(world: World, removal: Removal, started: float) -> None:
    """A delete or a revocation was acknowledged."""
    tombstone: PhotoFile = PhotoTombstone(removal.volume, removal.photo)
    if removal.version is not None:
        photo_version = PhotoVersion(removal.volume, removal.photo, removal.version)
        tombstone = VersionTombstone(photo_version)
    copies = durable_copies(world, tombstone)
    if len(copies) < 2 and not _was_damaged(world, started):
        world.ledger.violation(f"C16: {render_path(tombstone)} was acknowledged on {copies}")


def check_read(
    world: World, kept: Kept, node: SimulatedNode, response: Any, started: float
) -> None:
    """A node has answered a read."""
    ledger = world.ledger
    match response.status:
        case 200:
            if bytes(response.body) != kept.body:
                ledger.violation(f"C1: {node.name} sent other bytes for {kept.photo_version}")
            for removal in ledger.removals_told(kept.photo_version):
                told_at = removal.told_at or 0.0
                if told_at < started and node.name in removal.homes and told_at > node.damaged_at:
                    ledger.violation(
                        f"C2: {node.name} serves {kept.photo_version} after its delete"
                    )
        case 404 | 410:
            is_home = node.name in kept.homes and node.damaged_at < kept.told_at
            if is_home and not ledger.is_removal_asked(kept.photo_version):
                ledger.violation(f"C3: {node.name} says {response.status} for {kept.photo_version}")
        case 502 | 503:
            pass
        case status:
            ledger.violation(f"C12: {node.name} says {status} for {kept.photo_version}")


def durable_copies(world: World, file: PhotoFile, digest: str | None = None) -> list[str]:
    """The nodes that would have a file after losing power now, at home or for another."""
    places = [Place(file), *(Place(file, home) for home in world.nodes)]
    found = []
    for node in world.nodes.values():
        copies = [node.disk.durable(place.path) for place in places]
        if any(c and digest in {None, hashlib.sha256(c.data).hexdigest()} for c in copies):
            found.append(node.name)
    return found


def _was_damaged(world: World, since: float) -> bool:
    """Whether copies may be missing through no fault of the cluster."""
    return any(node.damaged_at >= since for node in world.nodes.values())
