"""Caller of a request: whose token it has, and what token and application permit."""

from dataclasses import dataclass, replace

from permission_urls import (
    Scope,
    Ticket,
    TokenLimits,
    VolumeRange,
    VolumeRanges,
    common_ranges,
    is_in_ranges,
)
from storagemaster.errors import NotAllowed, UnknownVolume
from storagemaster.photos.photo_urls import UrlGrant
from volumes.cluster import Application

NO_LIMITS = TokenLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The sender of an authorized request. Handlers see it in place of a token."""

    token_id: str
    application: str
    scopes: frozenset[Scope]
    volumes: VolumeRanges | None
    """The volumes that it may use, or None for all."""
    bytes_max: int | None = None
    """The longest photo that it may upload, below the limit of the cluster."""
    formats: tuple[str, ...] | None = None
    """The formats that it may upload, or None for all."""
    expiry: int
    """End of the token, in seconds since the epoch; 0 never ends."""
    limits: TokenLimits
    """Limits of the token."""
    application_uploads_per_minute: int | None = None
    """Limit of all tokens and tickets of the application together."""
    ticket: Ticket | None = None
    """The ticket, if the caller has one in place of a token."""

    @property
    def name(self) -> str:
        """Application and token or ticket, as logs show it."""
        return f"{self.application}/{self.token_id.replace(' ', ':')}"

    @property
    def has_upload_rules(self) -> bool:
        """True if an upload needs more checks than the cluster makes for all."""
        rules = (self.ticket, self.bytes_max, self.formats, self.application_uploads_per_minute)
        return rules != (None,) * len(rules) or self.limits != NO_LIMITS

    @property
    def key_namespace(self) -> str:
        """Namespace of the caller's Idempotency-Keys: the application, and its volumes if limited.

        The volume of a key follows from the key, so other volumes make another photo.
        """
        if self.volumes is None:
            return self.application
        ranges = ",".join(f"{each.first}-{each.last}" for each in self.volumes)
        return f"{self.application} {ranges}"

    def restricted_to(self, application: Application) -> "Caller":
        """Return the caller with what its token or ticket and its application both permit.

        Raises:
            NotAllowed: No volume is in both.
        """
        ranges = application.volumes
        own = None if ranges is None else tuple(VolumeRange(*each) for each in ranges)
        volumes = common_ranges(self.volumes, own)
        if volumes == ():
            raise NotAllowed(f"this opens no volume of the application {application.name}")
        limits = [each for each in (self.bytes_max, application.upload_bytes_max) if each]
        formats = self.formats
        if formats is None:
            formats = application.formats
        elif application.formats is not None:
            formats = tuple(each for each in formats if each in application.formats)
        return replace(
            self,
            volumes=volumes,
            bytes_max=min(limits, default=None),
            formats=formats,
            application_uploads_per_minute=application.uploads_per_minute,
        )

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
