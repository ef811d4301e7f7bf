"""Errors of a node, grouped by who is at fault, and their names and statuses on the wire.

NodeError
├── RequestRefused           the caller is at fault
│   ├── NotFound             the file does not exist
│   ├── Gone                 a tombstone covers the file
│   ├── Conflict             the name holds other bytes
│   ├── NotAMirror           this node is not a mirror of the volume
│   ├── OldMap               the volume has other mirrors in a newer map
│   ├── DigestMismatch       the received bytes are not the signed bytes
│   ├── BadRequest           the request does not follow this protocol
│   └── InvalidSignature     no machine of this cluster signed the request for this one
├── StoreNotWritable         the store is at fault, and nothing was written
│   ├── OutOfSpace           the disk is below its reserve
│   ├── DiskSuspect          an fsync failed, or the marker is missing
│   └── BucketUnavailable    the bucket is unreachable or refuses requests
├── Corrupt                  the stored bytes do not match their digest
├── UnprovenTombstone        a tombstone without a valid proof covers the file
├── StillListing             the store has listed a part; the next request continues
├── Throttled                the node receives no more of moves at present
├── SourceUnreachable        the source of a pull did not respond
└── Unreachable              the node did not respond, so the outcome is unknown
"""


class NodeError(Exception):
    """A failed operation of a node."""


class RequestRefused(NodeError):
    """A request that the node understood and refused."""


class NotFound(RequestRefused):
    """The node has neither the file nor a tombstone for it."""


class Gone(RequestRefused):
    """A tombstone covers the photo or the version, permanently."""


class Conflict(RequestRefused):
    """The name holds other bytes. Files are written once."""


class NotAMirror(RequestRefused):
    """The node has no marker of this volume, so it is not a mirror of it."""


class OldMap(RequestRefused):
    """The sender found the mirrors by an older map than the one in force."""


class DigestMismatch(RequestRefused):
    """The received bytes do not have the digest that the sender signed."""


class BadRequest(RequestRefused):
    """The request does not follow this protocol."""


class InvalidSignature(RequestRefused):
    """No machine of this cluster signed the request for this one, or the signature has expired."""


class StoreNotWritable(NodeError):
    """The store accepts no writes at present."""


class OutOfSpace(StoreNotWritable):
    """The disk is below its reserve."""


class DiskSuspect(StoreNotWritable):
    """The disk failed a write, or is not the disk that was opened."""


class BucketUnavailable(StoreNotWritable):
    """The bucket is unreachable, overloaded, or refuses the credentials."""


class Corrupt(NodeError):
    """The stored bytes do not have the digest that was recorded with them."""


class UnprovenTombstone(NodeError):
    """A tombstone has no valid proof: no storagemaster wrote it, or its disk lost the proof."""


class StillListing(NodeError):
    """The store has listed some more shards of a volume. The next request continues."""


class Throttled(NodeError):
    """The node receives as much as it may of volumes that move to it."""


class SourceUnreachable(NodeError):
    """The source of a pull did not respond to the node that pulled."""


class Unreachable(NodeError):
    """The node did not respond in time, so the outcome is unknown."""


# The name and the HTTP status of each error. Names stay the same when a class is renamed.
ERRORS_ON_THE_WIRE: dict[type[NodeError], tuple[str, int]] = {
    BadRequest: ("bad-request", 400),
    InvalidSignature: ("invalid-signature", 403),
    NotFound: ("not-found", 404),
    Conflict: ("conflict", 409),
    NotAMirror: ("not-a-mirror", 409),
    OldMap: ("old-map", 409),
    Gone: ("gone", 410),
    DigestMismatch: ("digest-mismatch", 422),
    NodeError: ("node-error", 500),
    Corrupt: ("corrupt", 502),
    UnprovenTombstone: ("unproven-tombstone", 503),
    StillListing: ("still-listing", 503),
    Throttled: ("throttled", 503),
    SourceUnreachable: ("source-unreachable", 504),
    DiskSuspect: ("disk-suspect", 507),
    BucketUnavailable: ("bucket-unavailable", 507),
    OutOfSpace: ("out-of-space", 507),
}
_KINDS = {name: kind for kind, (name, _) in ERRORS_ON_THE_WIRE.items()}


def render_error(error: NodeError) -> tuple[int, str, str]:
    """Return the status, the name, and the text of an error's response.

    An error without a name of its own has that of its nearest base class.
    """
    for kind in type(error).__mro__:
        if kind in ERRORS_ON_THE_WIRE:
            name, status = ERRORS_ON_THE_WIRE[kind]
            return status, name, str(error)
    raise error


def parse_error(status: int, name: str, text: str) -> NodeError:
    """Parse what `render_error` returns. An unknown name becomes a plain `NodeError`."""
    return _KINDS.get(name, NodeError)(text or f"the node returned status {status}")
