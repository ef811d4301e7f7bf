"""The operation of each route: its parameters, its responses, and its errors."""

from collections.abc import Mapping
from typing import Any

from storagemaster import documents as doc
from storagemaster import errors, known_wire, wire
from storagemaster.audit.log_reader import AuditPage
from storagemaster.erasure_proof import ErasureProof
from storagemaster.maps.documents import MapLog, MapRequest, MapState, NextMap
from storagemaster.openapi import parameters as p
from storagemaster.openapi.operation import Operation, Reply
from storagemaster.operations.status_document import ClusterState
from storagemaster.operations.unfencing import Unfenced
from storagemaster.resumable.tus import PATCH_TYPE
from storagemaster.tiering.tiering import MoveReport
from storagemaster.upload_wire import UploadState
from storagemaster.uploads.form import PHOTO_FIELD, TICKET_FIELD
from volumes.cold_tier import ColdTier

_PHOTO_BODY = (
    errors.UnsupportedFormat,
    errors.TooLarge,
    errors.TooManyPixels,
    errors.LengthMismatch,
    errors.DigestMismatch,
)
_BEHIND_KEY = (errors.IdempotencyKeyReused, errors.PhotoGone, errors.Unavailable)
_FIND_PHOTO = (errors.UnknownPhoto, errors.PhotoGone, errors.Unavailable)
_FIND_PARTIAL = (errors.NotAllowed, errors.UnknownUpload, errors.UploadExpired, errors.PhotoGone)
_STATE = (errors.NotAuthorized, errors.UnknownPhoto, *_FIND_PARTIAL)
_COMMIT = (*_PHOTO_BODY, *_BEHIND_KEY)
_APPEND = (errors.OffsetMismatch, errors.ChecksumMismatch, *_COMMIT)
_NEW_PHOTO = ("Location",)
_STORED = "The photo is stored on two nodes."

OPERATIONS: Mapping[wire.Route, Operation] = {
    wire.UPLOAD: Operation(
        "uploadPhoto",
        "Store a photo.",
        (
            Reply(201, _STORED, wire.Receipt, headers=_NEW_PHOTO),
            Reply(200, "An earlier upload stored this photo.", wire.Receipt, headers=_NEW_PHOTO),
        ),
        _COMMIT,
        headers=(p.IDEMPOTENCY_KEY, p.DURABILITY, p.REPR_DIGEST, p.TICKET_INDEX),
        raw_types=("image/*", "application/octet-stream"),
        form=(PHOTO_FIELD,),
        example="--data-binary @cat.jpg",
    ),
    wire.UPLOAD_FORM: Operation(
        "uploadPhotoByForm",
        "Store the photo of an HTML form, whose first field is a ticket.",
        (
            Reply(201, _STORED, wire.Receipt),
            Reply(200, "An earlier upload stored this photo.", wire.Receipt),
            Reply(
                303,
                "The ticket's address, with `reference` or `problem`.",
                headers=_NEW_PHOTO,
            ),
        ),
        (errors.NotAuthorized, *_COMMIT),
        headers=(p.DURABILITY, p.REPR_DIGEST, p.TICKET_INDEX),
        form=(TICKET_FIELD, PHOTO_FIELD),
        example='-F "ticket=$TICKET" -F photo=@cat.jpg',
    ),
    wire.UPLOAD_OPTIONS: Operation(
        "uploadOptions",
        "Return what of the tus protocol is supported.",
        (
            Reply(
                204,
                "The supported protocol.",
                headers=("Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"),
            ),
        ),
    ),
    wire.BEGIN_UPLOAD: Operation(
        "beginUpload",
        "Begin a resumable upload, with its first bytes or without.",
        (
            Reply(
                201,
                "The upload began. With `Prefer`, the body is an UploadState.",
                headers=("Location", "Upload-Offset"),
            ),
        ),
        (errors.TusVersionMismatch, errors.NoRoomForParts, *_APPEND),
        headers=(
            p.TUS_VERSION,
            p.UPLOAD_LENGTH,
            p.UPLOAD_METADATA,
            p.PREFER,
            p.IDEMPOTENCY_KEY,
            p.DURABILITY,
            p.REPR_DIGEST,
            p.TICKET_INDEX,
        ),
        raw_types=(PATCH_TYPE,),
        example="-H 'Tus-Resumable: 1.0.0' -H 'Upload-Length: 5242880'",
    ),
    wire.UPLOAD_OFFSET: Operation(
        "uploadOffset",
        "Return the byte at which an upload continues. A complete one is stored first.",
        (Reply(200, "The upload continues.", headers=("Upload-Offset", "Upload-Length")),),
        (errors.TusVersionMismatch, errors.UploadLocked, *_FIND_PARTIAL, *_PHOTO_BODY),
        headers=(p.TUS_VERSION,),
        example="-H 'Tus-Resumable: 1.0.0'",
    ),
    wire.APPEND_TO_UPLOAD: Operation(
        "appendToUpload",
        "Append bytes. The request that completes the upload stores the photo.",
        (
            Reply(204, "The bytes are stored.", headers=("Upload-Offset",)),
            Reply(200, "As 204, with `Prefer`.", UploadState, headers=("Upload-Offset",)),
        ),
        (errors.TusVersionMismatch, *_STATE, *_APPEND),
        headers=(p.TUS_VERSION, p.UPLOAD_OFFSET, p.UPLOAD_CHECKSUM, p.CONTENT_DIGEST, p.PREFER),
        raw_types=(PATCH_TYPE,),
        example=f"-H 'Tus-Resumable: 1.0.0' -H 'Upload-Offset: 0' -H 'Content-Type: {PATCH_TYPE}'"
        " --data-binary @cat.jpg",
    ),
    wire.UPLOAD_STATE: Operation(
        "uploadState",
        "Return the state of an upload, with the receipt of a stored photo.",
        (Reply(200, "The state.", UploadState),),
        (*_STATE, *_COMMIT),
    ),
    wire.END_UPLOAD: Operation(
        "endUpload",
        "Remove an upload that is not complete.",
        (Reply(204, "The bytes are removed."),),
        (
            errors.TusVersionMismatch,
            *_FIND_PARTIAL,
            errors.Unavailable,
        ),
        headers=(p.TUS_VERSION,),
        example="-H 'Tus-Resumable: 1.0.0'",
    ),
    wire.OVERRIDDEN_UPLOAD: Operation(
        "overriddenUpload",
        "Send another method for a client that can send only POST.",
        (Reply(200, "As HEAD."), Reply(204, "As PATCH or DELETE.")),
        (
            errors.TusVersionMismatch,
            errors.UploadLocked,
            *_STATE,
            *_APPEND,
        ),
        headers=(p.METHOD_OVERRIDE, p.TUS_VERSION),
        raw_types=(PATCH_TYPE,),
        example="-H 'X-HTTP-Method-Override: HEAD' -H 'Tus-Resumable: 1.0.0'",
    ),
    wire.PHOTOS_OF_VOLUME: Operation(
        "listPhotos",
        "Return a page of a volume's photos.",
        (Reply(200, "The page.", wire.PhotoPage),),
        (errors.Unavailable,),
        queries=(p.LISTED_VOLUME,),
    ),
    wire.RECENT_PHOTOS: Operation(
        "listRecentPhotos",
        "Return the photos that were stored last, the latest first.",
        (Reply(200, "The page.", wire.RecentPage),),
    ),
    wire.KNOWN: Operation(
        "knownPhotos",
        f"Return which of {known_wire.KNOWN_PHOTOS_MAX} digests the application has stored.",
        (Reply(200, "The photo of each digest, in order.", known_wire.KnownPhotos),),
        (errors.UnknownVolume,),
        body=known_wire.KnownRequest,
        example=f"""-d '{{"sha256": ["{"0" * 64}"]}}'""",
    ),
    wire.TICKET_USES: Operation(
        "ticketUses",
        "Return which photos were uploaded with a ticket of the application.",
        (Reply(200, "The use of each index, in order.", known_wire.TicketUses),),
        (errors.UnknownTicket, errors.UnknownVolume),
        body=known_wire.TicketUsesRequest,
        example='-d "{\\"ticket\\": \\"$TICKET\\"}"',
    ),
    wire.LOOKUP: Operation(
        "lookUpPhotos",
        f"Return the status of at most {wire.BATCH_PHOTOS_MAX} photos.",
        (Reply(200, "The status of each photo, in order.", doc.Batch),),
        body=doc.BatchRequest,
        example="""-d '{"photos": ["3/01jd3x8m2c9qp4k7/3fz8qd"]}'""",
    ),
    wire.PHOTO: Operation(
        "photoStatus",
        "Return the status of a photo, and its URLs.",
        (Reply(200, "The status.", wire.PhotoStatus),),
        _FIND_PHOTO,
    ),
    wire.DELETE_PHOTO: Operation(
        "deletePhoto",
        "Delete a photo with all its versions.",
        (Reply(200, "The photo is deleted.", wire.Deletion),),
        _FIND_PHOTO,
    ),
    wire.DELETE_VERSION: Operation(
        "deleteVersion",
        "Delete one version of a photo.",
        (Reply(200, "The version is deleted.", wire.Deletion),),
        _FIND_PHOTO,
    ),
    wire.ERASE_PHOTO: Operation(
        "erasePhoto",
        "Delete a photo with all its versions, and remove it from every trash.",
        (Reply(200, "A signed proof: what was removed, and what was not reached.", ErasureProof),),
        _FIND_PHOTO,
    ),
    wire.ERASE_VERSION: Operation(
        "eraseVersion",
        "Delete one version of a photo, and remove it from every trash.",
        (Reply(200, "A signed proof: what was removed, and what was not reached.", ErasureProof),),
        _FIND_PHOTO,
    ),
    wire.REVOKE: Operation(
        "revokePhoto",
        "Give a photo a new version, which invalidates all its URLs.",
        (Reply(200, "The photo has a new version.", wire.Revocation),),
        _FIND_PHOTO,
    ),
    wire.UNDELETE: Operation(
        "undeletePhoto",
        "Store a deleted photo as a new one.",
        (
            Reply(201, _STORED, wire.Receipt, headers=_NEW_PHOTO),
            Reply(200, "An earlier undelete stored it.", wire.Receipt, headers=_NEW_PHOTO),
        ),
        (errors.UnknownPhoto, errors.TooManyPixels, *_BEHIND_KEY),
    ),
    wire.FIND: Operation(
        "findPhoto",
        "Return every file of a photo on every node.",
        (Reply(200, "The files.", doc.Found),),
    ),
    wire.EXPLAIN: Operation(
        "explainPhoto",
        "Return every copy, version, and job of a photo.",
        (Reply(200, "The explanation.", doc.Explanation),),
    ),
    wire.SCRUBS: Operation(
        "scrubProgress",
        "Return the progress of the scrubs.",
        (Reply(200, "The progress.", doc.ScrubProgress),),
    ),
    wire.START_SCRUBS: Operation(
        "startScrubs",
        "Request another pass of the scrubs.",
        (Reply(200, "The progress before it.", doc.ScrubProgress),),
    ),
    wire.UNFENCE: Operation(
        "unfenceNode",
        "Let a node serve its photos although it may have missed deletes.",
        (Reply(200, "The number of volumes that it serves since.", Unfenced),),
        (errors.Unavailable,),
    ),
    wire.MAP: Operation(
        "volumeMap",
        "Return the volume map in force, and the votes for the next one.",
        (Reply(200, "The map.", MapState),),
    ),
    wire.MAP_LOG: Operation(
        "volumeMapLog",
        "Return the last versions of the volume map, and what each changed.",
        (Reply(200, "The versions.", MapLog),),
        queries=(p.MAP_LIMIT,),
    ),
    wire.NEXT_MAP: Operation(
        "nextVolumeMap",
        "Return the changes of an edited volume map, or put it in force.",
        (Reply(200, "The changes.", NextMap),),
        (errors.BadArgument, errors.MapConflict, errors.Unavailable),
        body=MapRequest,
    ),
    wire.DIFF: Operation(
        "repairPlan",
        "Return the steps that would make the mirrors of a volume equal.",
        (Reply(200, "The steps.", doc.RepairPlan),),
    ),
    wire.REPAIR: Operation(
        "repairVolume",
        "Make the mirrors of a volume equal.",
        (Reply(200, "The result.", doc.RepairResult),),
    ),
    wire.REGENERATION_SHARDS: Operation(
        "regenerationShards",
        "Return the shards of a volume that have files.",
        (Reply(200, "The shards.", doc.Shards),),
        (errors.Unavailable,),
    ),
    wire.REGENERATION_PHOTOS: Operation(
        "regenerationPhotos",
        "Return the photos of a shard whose sizes can be regenerated.",
        (Reply(200, "The photos.", doc.References),),
        (errors.Unavailable,),
    ),
    wire.REGENERATE: Operation(
        "regeneratePhoto",
        "Enqueue the regeneration of a photo's sizes.",
        (Reply(202, "The regeneration is enqueued.", doc.Regenerated),),
        (errors.UnknownVolume, *_FIND_PHOTO),
        body=doc.RegenerateRequest,
        example="""-d '{"photo": "3/01jd3x8m2c9qp4k7/3fz8qd"}'""",
    ),
    wire.TIERING_SHARDS: Operation(
        "tieringShards",
        "Return the shards of a volume that have files to offload.",
        (Reply(200, "The shards.", doc.Shards),),
        (errors.Unavailable,),
    ),
    wire.TIERING_PLAN: Operation(
        "tieringPlan",
        "Return what offloading one shard would move.",
        (Reply(200, "The plan.", doc.OffloadPlan),),
        (errors.Unavailable,),
    ),
    wire.OFFLOAD: Operation(
        "offloadVolume",
        "Record the cold tier of a volume on every mirror.",
        (Reply(200, "The cold tier.", ColdTier),),
        (errors.Unavailable,),
    ),
    wire.OFFLOAD_SHARD: Operation(
        "offloadShard",
        "Move the cold sizes of one shard.",
        (Reply(200, "The result.", MoveReport),),
        (errors.Unavailable,),
    ),
    wire.RECALL: Operation(
        "recallVolume",
        "Remove the cold tier of a volume from every mirror.",
        (Reply(200, "The cold tier is removed.", doc.Nothing),),
        (errors.Unavailable,),
    ),
    wire.STATUS: Operation(
        "clusterStatus",
        "Return the state of the cluster.",
        (Reply(200, "The state.", ClusterState),),
    ),
    wire.AUDIT: Operation(
        "auditLog",
        "Return entries of the audit log, the latest first.",
        (Reply(200, "The entries.", AuditPage),),
        queries=(p.AUDIT_LIMIT,),
    ),
    wire.EVENTS: Operation(
        "events",
        "Stream the events of photos.",
        (Reply(200, "Server-sent events, without end.", media_type="text/event-stream"),),
        (errors.Unavailable,),
        headers=(p.LAST_EVENT_ID,),
        example="-N",
    ),
    wire.METRICS: Operation(
        "metrics",
        "Return metrics for Prometheus.",
        (Reply(200, "The metrics.", media_type="text/plain"),),
    ),
    wire.HEALTH: Operation(
        "health",
        "Respond, for the health check of a load balancer.",
        (Reply(200, "The storagemaster runs.", media_type="text/plain"),),
    ),
    wire.OPENAPI: Operation(
        "openapi",
        "Return this API as OpenAPI 3.1.",
        (Reply(200, "The document.", dict[str, Any]),),
    ),
    wire.CAPABILITIES: Operation(
        "capabilities",
        "Return the sizes, formats, limits, and keys of the cluster.",
        (Reply(200, "The capabilities.", doc.Capabilities),),
    ),
}
