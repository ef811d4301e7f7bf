"""Checksums of bytes whose SHA-256 is known, because a checksum costs a fraction of a SHA-256.

The bytes of a digest never differ. So bytes with the checksum that the bytes of a digest had are
the bytes of that digest: damage passes with a probability of 2^-128. A checksum does not resist an
attacker who chooses the bytes, but who can write a file of a node can also write its digest.
"""

import hashlib

import xxhash

# 20 MB of memory.
DIGESTS_MAX = 65_536


class KnownChecksums:
    """XXH3 (128 bits) of bytes by their SHA-256, as lower-case hex, of the last digests."""

    def __init__(self, digests_max: int = DIGESTS_MAX) -> None:
        self._digests_max = digests_max
        self._checksums: dict[str, bytes] = {}

    def sha256(self, data: bytes | bytearray, expected: str | None) -> str:
        """Return the SHA-256 of bytes; quick if it is `expected` and was returned before."""
        checksum = xxhash.xxh3_128_digest(data)
        if expected is not None and self._checksums.get(expected) == checksum:
            return expected
        found = hashlib.sha256(data).hexdigest()
        if len(self._checksums) >= self._digests_max and found not in self._checksums:
            del self._checksums[next(iter(self._checksums))]
        self._checksums[found] = checksum
        return found
