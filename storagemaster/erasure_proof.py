"""Proof that a photo was erased: a document, signed like a tombstone.

The path of a tombstone never begins with a brace, as the text of a proof does, so neither signature
can replace the other.
"""

import json
from typing import TypedDict

from permission_urls import TombstoneProofs


class ErasedNode(TypedDict):
    """The files of a photo that one node has removed."""

    node: str
    colo: str
    is_mirror: bool
    removed: dict[str, int]
    """Number of files by area: live, hint, trash, quarantine. Versions in a bucket count each."""


class ErasureProof(TypedDict):
    """The proof of an erasure."""

    cluster: str
    photo: str
    """VOLUME/PHOTO, or VOLUME/PHOTO/VERSION."""
    erased_at: str
    """Time of the storagemaster, in UTC."""
    nodes: list[ErasedNode]
    unreachable: dict[str, str]
    """Nodes that did not do it, and the reason. They still can have the photo in their trash."""
    edges_purged: list[str]
    edges_pending: list[str]
    """Edges that did not respond. Storagemasters repeat the purge until they do."""
    is_complete: bool
    """True if every node and every edge responded."""
    signature: str


def signed_text(proof: ErasureProof) -> str:
    """Return the text that the signature of a proof covers: its JSON without the signature."""
    fields = {name: text for name, text in proof.items() if name != "signature"}
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def is_genuine(proof: ErasureProof, proofs: TombstoneProofs) -> bool:
    """Return True if a storagemaster of this cluster signed the proof as it is."""
    return proofs.is_genuine(signed_text(proof), proof["signature"])
