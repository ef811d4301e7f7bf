"""Caller of a request: whose token it has, and what that token permits."""

from dataclasses import dataclass

from permission_urls import Scope, Ticket, TokenLimits, VolumeRanges, is_in_ranges
from storagemaster.errors import UnknownVolume
from storagemaster.photos.photo_urls import UrlGrant


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The sender of an authorized request. Handlers see it in place of a token."""

    token_id: str
    application: str
    scopes: frozenset[Scope]
    volumes: VolumeRanges | None
    """The volumes that it may use, or None for all."""
    expiry: int
    """End of the token, in seconds since the epoch; 0 never ends."""
    limits: TokenLimits
    ticket: Ticket | None = None
    """The ticket, if the caller has one in place of a token."""

    @property
    def has_upload_rules(self) -> bool:
        """True if an upload needs more checks than its size and its format."""
        return self.ticket is not None or self.limits != TokenLimits()

    @property
    def key_namespace(self) -> str:
        """Namespace of the caller's Idempotency-Keys: the application, and its volumes if limited.

        The volume of a key follows from the key, so other volumes make another photo.
        """
        if self.volumes is None:
            return self.application
        ranges = ",".join(f"{each.first}-{each.last}" for each in self.volumes)
        return f"{self.application} {ranges}"

    def may_use(self, volume: int) -> bool:
        """Return True if the volume is one of the caller's."""
        return is_in_ranges(volume, self.volumes)

    def refuse_other_volumes(self, volume: int) -> None:
        """Raise unless the volume is one of the caller's.

        Raises:
            UnknownVolume: The same error as for a volume that does not exist.
        """
        if not self.may_use(volume):
            raise UnknownVolume(f"volume {volume} is not in the cluster's config")

    def url_grant(self, *, expiry_seconds: int) -> UrlGrant:
        """Return the URLs that responses to this caller can have."""
        may_read = Scope.READ in self.scopes
        return UrlGrant(
            sizes=may_read,
            original=may_read and Scope.ORIGINAL in self.scopes,
            expiry_seconds=expiry_seconds,
        )
