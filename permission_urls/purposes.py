"""Purposes of keys. Each has secrets of its own, so a leaked one is replaced alone."""

from enum import StrEnum


class Purpose(StrEnum):
    """Purpose of a signature. A MAC for one purpose is invalid for every other."""

    READ = "read"
    """Permission URLs."""
    TOKEN = "token"  # noqa: S105  # a name
    """API tokens."""
    INTERNAL = "internal"
    """Requests between storagemasters, nodes, and workers."""
    JOB = "job"
    """Jobs in the queue, and events between storagemasters."""
    WEBHOOK = "webhook"
    """Events that are sent to applications."""
    TOMBSTONE = "tombstone"
    """Tombstones."""
    PARTIAL_UPLOAD = "partial-upload"
    """URLs that continue an upload."""
    TICKET = "ticket"
    """Permissions to upload that applications hand out."""
    CACHE = "cache"
    """Entries of memcached."""
    CONSOLE = "console"
    """Sessions of the console, and links that begin one."""
    MAP = "map"
    """Volume maps."""
    PHOTO_ID = "photo-id"
    """Ids of photos with an Idempotency-Key. It signs nothing, and is never rotated."""

    @property
    def salt(self) -> bytes:
        """Salt of the derived key."""
        return self.value.encode()

    @property
    def is_rotated(self) -> bool:
        """True if its keys can be replaced."""
        return self is not Purpose.PHOTO_ID

    @property
    def outlives_its_keys(self) -> bool:
        """True if what a key signed stays valid after the key is retired."""
        return self in {Purpose.TOMBSTONE, Purpose.MAP}
