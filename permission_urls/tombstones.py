r"""Proofs of tombstones: a tombstone counts only if a holder of the key wrote it.

    {key}.{mac}                   the proof; the MAC has the salt `tombstone` and covers
    {path}                        the photo path of the tombstone: volume, photo, and version

A tombstone is permanent, so a retired key still proves the tombstones that it signed.
"""

import hmac
import re

from permission_urls.key_source import KeySource
from permission_urls.keys import KEY_ID_PATTERN
from permission_urls.purposes import Purpose
from permission_urls.signing import MAC_PATTERN, PurposeSigner, keyed_mac

_PROOF = re.compile(rf"({KEY_ID_PATTERN})\.({MAC_PATTERN})")


class TombstoneProofs:
    """Signer and verifier of tombstones.

    Raises:
        InvalidKeys: The keys of this purpose are missing.
    """

    __slots__ = ("_keys", "_signer")

    def __init__(self, keys: KeySource) -> None:
        self._keys = keys
        self._signer = PurposeSigner(keys, Purpose.TOMBSTONE)

    def sign(self, path: str) -> str:
        """Return the proof of the tombstone at a photo path."""
        key_id, mac = self._signer.current()
        return f"{key_id}.{mac(path.encode())}"

    def is_genuine(self, path: str, proof: str) -> bool:
        """Return True if a key of this cluster, retired or not, signed this tombstone."""
        match = _PROOF.fullmatch(proof)
        if match is None:
            return False
        key_id, mac = match.groups()
        key = self._keys.ring(Purpose.TOMBSTONE).find(key_id)
        if key is None:
            return False
        return hmac.compare_digest(keyed_mac(key, Purpose.TOMBSTONE)(path.encode()), mac)

    def known(self, path: str, recorded: str) -> str:
        """Return what is recorded with a file, or "" for an unproven tombstone."""
        return recorded if not path.endswith(".gone") or self.is_genuine(path, recorded) else ""
