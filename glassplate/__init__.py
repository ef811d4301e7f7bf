"""Public names of Glassplate: the clients, their results, and their errors."""

from glassplate import blocking
from glassplate.client import Client
from glassplate.errors import (
    BadConfig,
    BadReference,
    ClusterError,
    ContentMismatch,
    GlassplateError,
    IdempotencyKeyReused,
    InvalidResponse,
    InvalidWebhook,
    NoKeys,
    NotAllowed,
    NotAuthorized,
    NotFound,
    NoToken,
    NotReadyInTime,
    PhotoGone,
    Problem,
    Refused,
    SizesFailed,
    TooLarge,
    Unavailable,
    UnknownSize,
    Unreachable,
    UnsupportedFormat,
    UnusableSource,
    UnusableTarget,
    UsageError,
)
from glassplate.markup.html import Html
from glassplate.markup.info import Info
from glassplate.session.retries import Retries, Timeouts
from glassplate.session.webhook_events import PhotoEvent
from storagemaster.known_wire import KnownPhoto, digest_key
from storagemaster.wire import (
    Copy,
    Deletion,
    PhotoStatus,
    Receipt,
    Revocation,
)
from volumes.photo_path import PhotoVersion

__all__ = [
    "BadConfig",
    "BadReference",
    "Client",
    "ClusterError",
    "ContentMismatch",
    "Copy",
    "Deletion",
    "GlassplateError",
    "Html",
    "IdempotencyKeyReused",
    "Info",
    "InvalidResponse",
    "InvalidWebhook",
    "KnownPhoto",
    "NoKeys",
    "NoToken",
    "NotAllowed",
    "NotAuthorized",
    "NotFound",
    "NotReadyInTime",
    "PhotoEvent",
    "PhotoGone",
    "PhotoStatus",
    "PhotoVersion",
    "Problem",
    "Receipt",
    "Refused",
    "Retries",
    "Revocation",
    "SizesFailed",
    "Timeouts",
    "TooLarge",
    "Unavailable",
    "UnknownSize",
    "Unreachable",
    "UnsupportedFormat",
    "UnusableSource",
    "UnusableTarget",
    "UsageError",
    "blocking",
    "digest_key",
]
