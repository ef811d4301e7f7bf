"""What can go wrong at a node, as one family; each error knows whose fault it is.

NodeError
├── RequestRefused           the caller's fault
│   ├── NotFound             no such file
│   ├── Gone                 a tombstone says so, for ever
│   ├── Conflict             the name is taken by other bytes
│   ├── NotAMirror              this node is not a home of the volume
│   ├── DigestMismatch       the bytes that came are not the bytes that were signed
│   ├── BadRequest           not a request of this protocol
│   └── InvalidSignature            not signed by a machine of this cluster
├── StoreNotWritable              the disk's fault: nothing was written
│   ├── OutOfSpace           below the reserve
│   ├── DiskSuspect          an fsync failed, or the marker is missing: no writes
│   └── BucketUnavailable           the bucket cannot be reached or used now
├── Corrupt                  the bytes on disk are not the bytes that were written
├── SourceUnreachable        the node that a file was to come from gave the asked one no answer
└── Unreachable              no answer in time: nothing is known
"""


class NodeError(Exception):
    """Something a node could not do."""


class RequestRefused(NodeError):
    """The node understood, and will not."""


class NotFound(RequestRefused):
    """No such file, and no tombstone either: nothing is known of it here."""


class Gone(RequestRefused):
    """A tombstone says that the photo or the version is gone for ever."""


class Conflict(RequestRefused):
    """The name is taken by other bytes. Files are written once."""


class NotAMirror(RequestRefused):
    """The node has no marker of this volume, so that it is not a home of it."""


class DigestMismatch(RequestRefused):
    """The bytes that arrived are not those the sender signed."""


class BadRequest(RequestRefused):
    """Not a request of this protocol."""


class InvalidSignature(RequestRefused):
    """Not signed by a machine of this cluster, or too long ago."""


class StoreNotWritable(NodeError):
    """The disk takes no writes now."""


class OutOfSpace(StoreNotWritable):
    """The disk is below its reserve."""


class DiskSuspect(StoreNotWritable):
    """The disk has failed a write, or is not the disk it should be."""


class BucketUnavailable(StoreNotWritable):
    """The bucket cannot be used now: it is away, too busy, or refuses us."""


class Corrupt(NodeError):
    """The bytes on disk do not have the digest they were written with."""


class SourceUnreachable(NodeError):
    """The node that a file was to be fetched from did not answer the one that was asked."""


class Unreachable(NodeError):
    """The node did not answer in time, so that nothing is known of what it has or did."""
