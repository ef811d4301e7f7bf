"""Checks of races: keys under which clients uploaded different photos.

Each race ends with one original on all mirrors, and with sizes of that original. A photo that all
mirrors acknowledged stays. No acknowledged photo disappears: the one that had to give way is in a
quarantine, unless a fault destroyed files.
"""

import hashlib

from storagemaster.wire import Receipt
from tests.simulation.ledger import version_of
from tests.simulation.world import World
from volumes.photo_path import InvalidPath, Variant, parse_path


def find_race_violations(world: World) -> list[str]:
    """Return the violations of all races on the disks."""
    return [
        f"C10: {key!r}: {violation}"
        for key, receipts in world.ledger.races.items()
        for violation in _violations(world, receipts)
    ]


def _violations(world: World, receipts: list[Receipt]) -> list[str]:
    photo_version = version_of(receipts[0])
    acknowledged = {receipt.sha256 for receipt in receipts}
    mirrors = world.mirrors_of(photo_version.volume)
    live = [_originals(node.disk.contents(), receipts[0]) for node in mirrors]
    if any(len(each) != 1 for each in live) or len({*map(frozenset, live)}) != 1:
        return [f"{photo_version} has the originals {live} on its mirrors"]
    ((_, digest),) = live[0]
    if any(node.damaged_at >= 0 for node in world.nodes.values()):
        return []
    found = []
    complete = {receipt.sha256 for receipt in receipts if not receipt.pending_mirrors}
    if complete - {digest}:
        found.append(f"{photo_version} has another photo than all mirrors acknowledged")
    stored = {
        hashlib.sha256(each.data).hexdigest()
        for node in world.nodes.values()
        for path, each in node.disk.contents().items()
        if photo_version.photo in path
    }
    found += [f"{photo_version} has lost {each}" for each in sorted(acknowledged - stored)]
    return found


def _originals(contents: dict, receipt: Receipt) -> set[tuple[str, str]]:
    """Return format and digest of the originals of a receipt's version on a disk."""
    found = set()
    for path, each in contents.items():
        try:
            file = parse_path(path)
        except InvalidPath:
            continue
        is_original = isinstance(file, Variant) and file.is_original
        if is_original and file.photo_version == version_of(receipt):
            found.add((file.ext, hashlib.sha256(each.data).hexdigest()))
    return found
