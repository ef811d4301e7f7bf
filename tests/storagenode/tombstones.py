"""Proofs of tombstones, with the keys of `served_site` and `small_cluster`."""

import random

from permission_urls import TombstoneProofs, generate_keys
from storagenode.disk.store import DiskStore
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import MTIME
from volumes.photo_path import render_path

PROOFS = TombstoneProofs(generate_keys(random.Random(1).randbytes))


def proof_of(place: Place) -> str:
    """Return the proof of a tombstone."""
    return PROOFS.sign(render_path(place.file))


def write_tombstone(store: DiskStore, place: Place, *, mtime_seconds: int = MTIME) -> Published:
    """Write a tombstone with its proof."""
    return store.write_tombstone(place, mtime_seconds=mtime_seconds, proof=proof_of(place))
