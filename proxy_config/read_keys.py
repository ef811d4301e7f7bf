"""Checks of the read keys of an edge: hex text by key id."""

import re
from collections.abc import Mapping

from permission_urls import fingerprint
from proxy_config.errors import UnusableReadKey

_KEY_ID = re.compile(r"[a-z0-9]{1,4}")
_READ_KEY = re.compile(r"[0-9a-f]{64}")
_BYTE = re.compile(r"..")


def check_read_keys(read_keys: Mapping[str, str]) -> None:
    """Return only if there is at least one key and every id and key matches its grammar.

    Raises:
        UnusableReadKey: An id or key is malformed, or `read_keys` is empty.
    """
    if not read_keys:
        raise UnusableReadKey("", "is missing: without a key every URL is forbidden")
    for key_id, read_key in read_keys.items():
        if not _KEY_ID.fullmatch(key_id):
            raise UnusableReadKey(key_id, "has an id that is not one to four of a-z and 0-9")
        if not _READ_KEY.fullmatch(read_key):
            raise UnusableReadKey(key_id, "is not 64 lower-case hex characters")


def keys_with_zero_bytes(read_keys: Mapping[str, str]) -> frozenset[str]:
    """Return the ids of keys that vmod-digest would truncate, because it stops at a zero byte."""
    return frozenset(
        key_id for key_id, read_key in read_keys.items() if "00" in _BYTE.findall(read_key)
    )


def fingerprint_of(read_keys: Mapping[str, str]) -> str:
    """Return the fingerprint of the keys, as nodes and storagemasters compute it."""
    return fingerprint({id_: bytes.fromhex(read_key) for id_, read_key in read_keys.items()})
